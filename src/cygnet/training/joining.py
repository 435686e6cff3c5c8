"""Several networks that see the same images in one ONNX graph, each at its own input side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, compose, helper, numpy_helper

from cygnet.errors import InputError
from cygnet.models.stored import read_network

_INPUT: Final = "pixels"
#: Constants of what joins the members.
_CHANNEL: Final = "join/channel"
_BLACK: Final = "join/black"
_WHITE: Final = "join/white"


@dataclass
class Graph:
    """The members, their names prefixed with ``m0/``, ``m1/`` and so on, and what is added after them.

    ``largest`` is the place of the member with the largest input side, which is the whole graph's.
    """

    members: Sequence[onnx.ModelProto]
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    largest: int = 0

    def each(self, output: str) -> list[str]:
        """The name of one output of each member."""
        return [f"m{k}/{output}" for k in range(len(self.members))]

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """One more node; returns its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def onto(self, like: str, maps: str, out: str) -> str:
        """Maps (n, g, g) on the grid of the maps ``like``; returns ``out``."""
        if maps == like:
            return self.add("Identity", [maps], out)
        self.add("Unsqueeze", [maps, _CHANNEL], f"{out}/0")
        self.add("Unsqueeze", [like, _CHANNEL], f"{out}/1")
        self.add("Shape", [f"{out}/1"], f"{out}/2", start=2)
        self.add("Resize", [f"{out}/0", "", "", f"{out}/2"], f"{out}/3", mode="linear", axes=[2, 3])
        return self.add("Squeeze", [f"{out}/3", _CHANNEL], out)

    def reduced(self, pixels: str, out: str, side: int) -> str:
        """Images (n, s, s, 3) uint8 at ``side``, each pixel the mean of what it covers, as Pillow's bilinear filter has it."""
        self.constants.append(numpy_helper.from_array(np.array([side, side], np.int64), f"{out}/side"))
        self.add("Cast", [pixels], f"{out}/0", to=TensorProto.FLOAT)
        self.add("Transpose", [f"{out}/0"], f"{out}/1", perm=[0, 3, 1, 2])
        resized = [f"{out}/1", "", "", f"{out}/side"]
        self.add("Resize", resized, f"{out}/2", mode="linear", antialias=1, axes=[2, 3])
        self.add("Round", [f"{out}/2"], f"{out}/3")
        self.add("Clip", [f"{out}/3", _BLACK, _WHITE], f"{out}/4")
        self.add("Cast", [f"{out}/4"], f"{out}/5", to=TensorProto.UINT8)
        return self.add("Transpose", [f"{out}/5"], out, perm=[0, 2, 3, 1])

    def write(self, outputs: Mapping[str, Sequence[str]], out: Path) -> Path:
        """The whole as a file; ``outputs`` names the axes of each output."""
        first, largest = self.members[0], self.members[self.largest]
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [*shape]) for n, shape in outputs.items()]
        constants = [*self.constants, *_shared_constants()]
        graph = helper.make_graph(self.nodes, "together", list(largest.graph.input), values, constants)
        made = helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=first.ir_version)
        onnx.checker.check_model(made)
        onnx.save_model(made, str(out))
        return out


def join(networks: Sequence[Path], needed: frozenset[str]) -> Graph:
    """The graph of ``networks``, ONNX files of any input side that answer with the outputs ``needed``.

    It takes images of the largest side; a member with a smaller one gets them reduced.

    Raises
    ------
    InputError
        If a network lacks one of the outputs, or there are fewer than two.
    """
    if len(networks) < 2:
        raise InputError("give two models or more to be joined")
    models = [onnx.load_from_string(read_network(path)) for path in networks]
    for path, model in zip(networks, models, strict=True):
        if missing := needed - {output.name for output in model.graph.output}:
            raise InputError(f"{path}: has no output {', '.join(sorted(missing))}; export the network again")
    sides = [_side(model) for model in models]
    made = Graph(models, largest=sides.index(max(sides)))
    for k, (model, side) in enumerate(zip(models, sides, strict=True)):
        part = compose.add_prefix_graph(model.graph, f"m{k}/")
        pixels = made.reduced(_INPUT, f"m{k}/reduced", side) if side < max(sides) else _INPUT
        for node in part.node:
            node.input[:] = [pixels if name == f"m{k}/{_INPUT}" else name for name in node.input]
        made.nodes += part.node
        made.constants += part.initializer
    return made


def _side(model: onnx.ModelProto) -> int:
    """The side of the square that a network takes."""
    return int(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)


def _shared_constants() -> list[TensorProto]:
    values: dict[str, NDArray[Any]] = {
        _CHANNEL: np.array([1], np.int64),
        _BLACK: np.array(0, np.float32),
        _WHITE: np.array(255, np.float32),
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]
