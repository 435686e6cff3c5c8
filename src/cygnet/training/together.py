"""Two packaged lesion networks as one that answers with their mean (deep ensembles, Lakshminarayanan et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import TensorProto, compose, helper

from cygnet.errors import InputError
from cygnet.models.registry import ModelFiles
from cygnet.models.stored import read_network
from cygnet.training import package
from cygnet.training.sources import Sample
from cygnet.version import VERSION

_INPUT: Final = "pixels"
#: What a network file must answer to be joined.
_NEEDED: Final = {"logits", "embedding", "attention"}


def together(networks: Sequence[Path], out: Path) -> Path:
    """Write one network that asks all of ``networks``, ONNX files of the same input, to ``out``.

    ``logits`` are the mean of the log probabilities, ``attention`` is the mean of the maps, and ``embedding`` that of the
    first, so that distances between lesions stay what they are.

    Raises
    ------
    InputError
        If a network lacks one of the outputs, or there are fewer than two.
    """
    if len(networks) < 2:
        raise InputError("give two models or more to be joined")
    parts = []
    for k, path in enumerate(networks):
        model = onnx.load_from_string(read_network(path))
        if missing := _NEEDED - {output.name for output in model.graph.output}:
            raise InputError(f"{path}: has no output {', '.join(sorted(missing))}; export the network again")
        parts.append(compose.add_prefix_graph(model.graph, f"m{k}/"))
    nodes = [node for part in parts for node in part.node]
    for node in nodes:
        for k, name in enumerate(node.input):
            if name.endswith(f"/{_INPUT}"):
                node.input[k] = _INPUT
    logs = [f"m{k}/log" for k in range(len(parts))]
    nodes += [helper.make_node("LogSoftmax", [f"m{k}/logits"], [logs[k]], axis=1) for k in range(len(parts))]
    nodes.append(helper.make_node("Mean", logs, ["logits"]))
    nodes.append(helper.make_node("Mean", [f"m{k}/attention" for k in range(len(parts))], ["attention"]))
    nodes.append(helper.make_node("Identity", ["m0/embedding"], ["embedding"]))
    first = onnx.load_from_string(read_network(networks[0]))
    shapes = {"logits": ["n", "classes"], "embedding": ["n", "numbers"], "attention": ["n", "g", "g"]}
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes.items()]
    graph = helper.make_graph(
        nodes, "together", list(first.graph.input), outputs, [tensor for part in parts for tensor in part.initializer]
    )
    made = helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=first.ir_version)
    onnx.checker.check_model(made)
    onnx.save_model(made, str(out))
    return out


def package_together(
    models: Sequence[ModelFiles], samples: Sequence[Sample], name: str, out: Path, views: int = 1
) -> Path:
    """Joined, calibrated anew on the calibration split, and written as the model ``name`` into ``out``; returns its card.

    ``views``, 1, 2 or 4, is how many mirror images an answer is the mean of.

    Raises
    ------
    InputError
        If the models cannot be joined, or were made of other data or another input size.
    """
    cards = [model.card for model in models]
    size = int(cards[0]["input"]["size"])
    digest = package.data_hash(samples)
    for model in models:
        if int(model.card["input"]["size"]) != size or int(model.card["input"].get("views", 1)) != 1:
            raise InputError(f"{model.name}: only models of one input size and one view can be joined")
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
        "input": {**cards[0]["input"], "views": views},
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
