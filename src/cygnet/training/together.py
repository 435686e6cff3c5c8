"""Two packaged lesion networks as one that answers with their mean (deep ensembles, Lakshminarayanan et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, compose, helper, numpy_helper

from cygnet.errors import InputError
from cygnet.models.registry import ModelFiles
from cygnet.models.stored import read_network
from cygnet.training import package
from cygnet.training.sources import Sample
from cygnet.version import VERSION

_INPUT: Final = "pixels"
#: What a network file must answer to be joined.
_NEEDED: Final = {"logits", "embedding", "attention"}
#: Constants of what joins the members.
_CHANNEL: Final = "join/channel"
_BLACK: Final = "join/black"
_WHITE: Final = "join/white"


def together(networks: Sequence[Path], out: Path) -> Path:
    """Write one network that asks all of ``networks``, ONNX files of any input side, to ``out``.

    It takes images of the largest side; a member with a smaller one gets them reduced. ``logits`` are the mean of the log
    probabilities, ``attention`` is the mean of the maps on the first's grid, and ``embedding`` that of the first, so that distances
    between lesions stay what they are.

    Raises
    ------
    InputError
        If a network lacks one of the outputs, or there are fewer than two.
    """
    if len(networks) < 2:
        raise InputError("give two models or more to be joined")
    models = [onnx.load_from_string(read_network(path)) for path in networks]
    for path, model in zip(networks, models, strict=True):
        if missing := _NEEDED - {output.name for output in model.graph.output}:
            raise InputError(f"{path}: has no output {', '.join(sorted(missing))}; export the network again")
    sides = [_side(model) for model in models]
    parts = [compose.add_prefix_graph(model.graph, f"m{k}/") for k, model in enumerate(models)]
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []
    for k, (part, side) in enumerate(zip(parts, sides, strict=True)):
        pixels = _INPUT
        if side < max(sides):
            pixels = f"m{k}/reduced"
            _reduce(_INPUT, pixels, side, nodes, constants)
        for node in part.node:
            node.input[:] = [pixels if name == f"m{k}/{_INPUT}" else name for name in node.input]
        nodes += part.node
        nodes.append(helper.make_node("LogSoftmax", [f"m{k}/logits"], [f"m{k}/log"], axis=1))
        _onto("m0/attention", f"m{k}/attention", f"m{k}/placed", nodes)
    members = range(len(parts))
    nodes.append(helper.make_node("Mean", [f"m{k}/log" for k in members], ["logits"]))
    nodes.append(helper.make_node("Mean", [f"m{k}/placed" for k in members], ["attention"]))
    nodes.append(helper.make_node("Identity", ["m0/embedding"], ["embedding"]))
    constants += [*_shared_constants(), *(tensor for part in parts for tensor in part.initializer)]
    shapes = {"logits": ["n", "classes"], "embedding": ["n", "numbers"], "attention": ["n", "g", "g"]}
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes.items()]
    largest = models[sides.index(max(sides))]
    graph = helper.make_graph(nodes, "together", list(largest.graph.input), outputs, constants)
    made = helper.make_model(graph, opset_imports=list(models[0].opset_import), ir_version=models[0].ir_version)
    onnx.checker.check_model(made)
    onnx.save_model(made, str(out))
    return out


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


def _reduce(pixels: str, out: str, side: int, nodes: list[NodeProto], constants: list[TensorProto]) -> None:
    """Images (n, s, s, 3) uint8 to ``side``, each pixel the mean of what it covers, as Pillow's bilinear filter has it."""
    constants.append(numpy_helper.from_array(np.array([side, side], np.int64), f"{out}/side"))
    name = [f"{out}/{k}" for k in range(6)]
    nodes += [
        helper.make_node("Cast", [pixels], [name[0]], to=TensorProto.FLOAT),
        helper.make_node("Transpose", [name[0]], [name[1]], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Resize", [name[1], "", "", f"{out}/side"], [name[2]], mode="linear", antialias=1, axes=[2, 3]
        ),
        helper.make_node("Round", [name[2]], [name[3]]),
        helper.make_node("Clip", [name[3], _BLACK, _WHITE], [name[4]]),
        helper.make_node("Cast", [name[4]], [name[5]], to=TensorProto.UINT8),
        helper.make_node("Transpose", [name[5]], [out], perm=[0, 2, 3, 1]),
    ]


def _onto(like: str, maps: str, out: str, nodes: list[NodeProto]) -> None:
    """Maps (n, g, g) on the grid of the maps ``like``."""
    if maps == like:
        nodes.append(helper.make_node("Identity", [maps], [out]))
        return
    name = [f"{out}/{k}" for k in range(4)]
    nodes += [
        helper.make_node("Unsqueeze", [maps, _CHANNEL], [name[0]]),
        helper.make_node("Unsqueeze", [like, _CHANNEL], [name[1]]),
        helper.make_node("Shape", [name[1]], [name[2]], start=2),
        helper.make_node("Resize", [name[0], "", "", name[2]], [name[3]], mode="linear", axes=[2, 3]),
        helper.make_node("Squeeze", [name[3], _CHANNEL], [out]),
    ]


def package_together(
    models: Sequence[ModelFiles], samples: Sequence[Sample], name: str, out: Path, views: int = 1
) -> Path:
    """Joined, calibrated anew on the calibration split, and written as the model ``name`` into ``out``; returns its card.

    ``views``, 1, 2 or 4, is how many mirror images an answer is the mean of.

    Raises
    ------
    InputError
        If the models cannot be joined, or were made of other data.
    """
    cards = [model.card for model in models]
    size = max(int(card["input"]["size"]) for card in cards)
    digest = package.data_hash(samples)
    for model in models:
        if int(model.card["input"].get("views", 1)) != 1:
            raise InputError(f"{model.name}: only models of one view can be joined")
        if model.card["data"]["sha256"] != digest:
            raise InputError(
                f"{model.name}: was trained on other data or splits; its calibration images may be known to it"
            )
    out.mkdir(parents=True, exist_ok=True)
    network = together([model.network for model in models], out / f".{name}.part.onnx")
    train, held = ([s for s in samples if s.split == part] for part in ("train", "calibration"))
    seen, calibration = (package.extract(part, network, size, views) for part in (train, held))
    fitted = package.fit_calibration(calibration)
    made: dict[str, Any] = {
        **cards[0],
        "name": name,
        "input": {**cards[0]["input"], "size": size, "views": views},
        "architecture": " and ".join(str(card["architecture"]) for card in cards)
        + "; the mean of their log probabilities",
        "initialised_from": "the models " + " and ".join(f"{m.name} (sha256 {m.sha256[:16]})" for m in models),
        "code_version": VERSION,
        "storage": {"chosen": "as its members", "members": {m.name: m.card["storage"]["chosen"] for m in models}},
        "calibration": fitted,
        "reference": package.fit_reference(seen, calibration, fitted["slope"]),
        "training": {
            "date": datetime.now(UTC).date().isoformat(),
            "members": {m.name: m.card["training"] for m in models},
        },
        "metrics": [],
    }
    made.pop("files", None)
    path = package.write(out, name, network, package.fit_familiarity(seen, calibration), made)
    network.unlink()
    return path
