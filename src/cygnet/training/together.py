"""Packaged networks as one that answers with their mean (deep ensembles, Lakshminarayanan et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cygnet.errors import InputError
from cygnet.models.lesion import Space
from cygnet.models.registry import ModelFiles
from cygnet.training import package, segment_finish
from cygnet.training.joining import join
from cygnet.training.sources import Sample
from cygnet.version import VERSION

#: What a lesion network and an outline network must answer to be joined.
_LESION: Final = frozenset({"logits", "embedding", "attention"})
_OUTLINE: Final = frozenset({"probability"})


def together(networks: Sequence[Path], out: Path) -> Path:
    """Write one network that asks all of ``networks``, lesion networks of any input side, to ``out``.

    It takes images of the largest side; a member with a smaller one gets them reduced. ``logits`` are the mean of the log
    probabilities, ``attention`` is the mean of the maps on the first's grid, and ``embedding`` that of the first, so that distances
    between lesions stay what they are.

    Raises
    ------
    InputError
        If a network lacks one of the outputs, or there are fewer than two.
    """
    graph = join(networks, _LESION)
    logs = [graph.add("LogSoftmax", [name], f"{name}/log", axis=1) for name in graph.each("logits")]
    maps = graph.each("attention")
    graph.add("Mean", logs, "logits")
    graph.add("Mean", [graph.onto(maps[0], name, f"{name}/placed") for name in maps], "attention")
    graph.add("Identity", [graph.each("embedding")[0]], "embedding")
    shapes = {"logits": ["n", "classes"], "embedding": ["n", "numbers"], "attention": ["n", "g", "g"]}
    return graph.write(shapes, out)


def outlines_together(networks: Sequence[Path], out: Path) -> Path:
    """Write one outline network that asks all of ``networks``, of any input side, to ``out``.

    It takes images of the largest side and answers on that member's grid with the mean of the probabilities.

    Raises
    ------
    InputError
        If one of them is no outline network, or there are fewer than two.
    """
    graph = join(networks, _OUTLINE)
    maps = graph.each("probability")
    graph.add("Mean", [graph.onto(maps[graph.largest], name, f"{name}/placed") for name in maps], "probability")
    return graph.write({"probability": ["n", "g", "g"]}, out)


def package_together(
    models: Sequence[ModelFiles],
    samples: Sequence[Sample],
    name: str,
    out: Path,
    views: int = 1,
    middle: float = 0,
) -> Path:
    """Joined, calibrated anew on the calibration split, and written as the model ``name`` into ``out``; returns its card.

    ``views``, 1, 2 or 4, is how many mirror images an answer is the mean of; half of them show the middle of the photograph
    alone, ``middle`` of its shorter side, unless that is 0.

    Raises
    ------
    InputError
        If the models cannot be joined, or were made of other data.
    """
    cards = [model.card for model in models]
    size = _side(models, samples)
    out.mkdir(parents=True, exist_ok=True)
    network = together([model.network for model in models], out / f".{name}.part.onnx")
    train, held = ([s for s in samples if s.split == part] for part in ("train", "calibration"))
    seen, calibration = (package.extract(part, network, size, views, middle) for part in (train, held))
    fitted = package.fit_calibration(calibration)
    statistics = package.fit_familiarity(seen, calibration)
    made: dict[str, Any] = {
        **_shared(models, name, "; the mean of their log probabilities"),
        "input": {**cards[0]["input"], "size": size, "views": views, "middle": middle},
        "calibration": fitted,
        "reference": package.fit_reference(seen, calibration, fitted["slope"], Space.of(statistics)),
    }
    path = package.write(out, name, network, statistics, made)
    network.unlink()
    return path


def package_outlines_together(
    models: Sequence[ModelFiles], samples: Sequence[Sample], name: str, out: Path, views: int = 1
) -> Path:
    """Outline models joined, their threshold chosen anew on the calibration split, written as the model ``name`` into ``out``.

    ``views``, 1, 2, 4 or 8, is how many mirror images and turns an answer is the mean of; returns the card.

    Raises
    ------
    InputError
        If the models cannot be joined, or were made of other data.
    """
    cards = [model.card for model in models]
    size = _side(models, samples)
    out.mkdir(parents=True, exist_ok=True)
    network = outlines_together([model.network for model in models], out / f".{name}.part.onnx")
    threshold, fitted = segment_finish.fit_cut(network, [s for s in samples if s.split == "calibration"], size, views)
    largest = max(cards, key=lambda card: int(card["input"]["size"]))
    made: dict[str, Any] = {
        **_shared(models, name, "; the mean of their probabilities"),
        "input": {**cards[0]["input"], "size": size, "views": views},
        "output": {**largest["output"], "threshold": threshold},
        "calibration": fitted,
    }
    path = package.write(out, name, network, None, made)
    network.unlink()
    return path


def _side(models: Sequence[ModelFiles], samples: Sequence[Sample]) -> int:
    """The input side of models together; refused are those of several views, or made of other data than ``samples``."""
    digest = package.data_hash(samples)
    for model in models:
        if int(model.card["input"].get("views", 1)) != 1:
            raise InputError(f"{model.name}: only models of one view can be joined")
        if model.card["data"]["sha256"] != digest:
            raise InputError(
                f"{model.name}: was trained on other data or splits; its calibration images may be known to it"
            )
    return max(int(model.card["input"]["size"]) for model in models)


def _shared(models: Sequence[ModelFiles], name: str, joined: str) -> dict[str, Any]:
    """What the card of joined models says whatever they do; ``joined`` says in words how they answer together."""
    first = {key: value for key, value in models[0].card.items() if key != "files"}
    return {
        **first,
        "name": name,
        "architecture": " and ".join(str(model.card["architecture"]) for model in models) + joined,
        "initialised_from": "the models " + " and ".join(f"{m.name} (sha256 {m.sha256[:16]})" for m in models),
        "code_version": VERSION,
        "storage": {"chosen": "as its members", "members": {m.name: m.card["storage"]["chosen"] for m in models}},
        "training": {
            "date": datetime.now(UTC).date().isoformat(),
            "members": {m.name: m.card["training"] for m in models},
        },
        "metrics": [],
    }
