"""The models that come with the package: files, cards, hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cygnet.errors import InputError, ModelError
from cygnet.models.stored import network_file, read_network
from cygnet.schema.files import file_sha256

FOLDER: Final = Path(__file__).parent / "data"
DEFAULT: Final = "lesion-2"
SEGMENTER: Final = "segment-1"
#: Names that stay when a model is replaced by a better one.
ALIASES: Final = {"fast": DEFAULT, "accurate": "accurate-4"}
#: The same for the models that outline lesions.
OUTLINERS: Final = {"fast": SEGMENTER, "accurate": "segment-2"}
#: The alias that ranking, submissions and outlining take by default: whoever waits for an answer wants the better one. Embeddings, and with
#: them archive and clinic, take ``DEFAULT``, and ranking draws its outlines with ``SEGMENTER``.
PREFERRED: Final = "accurate"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One model on disk. ``card`` is its model card: data, licence, folds, metrics, limits, calibration, hashes.

    ``network`` is a file for ``cygnet.models.stored.read_network``, plain or packed. ``statistics`` is a file of arrays that belong to it; a model whose card names none has none.
    """

    name: str
    network: Path
    statistics: Path
    card: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """What answers and embeddings are told apart by: the SHA-256 that the card states of the network; where the model has statistics, that of both
        hashes, one after the other."""
        files = self.card["files"]
        stated = [str(files[kind]["sha256"]) for kind in ("network", "statistics") if kind in files]
        return stated[0] if len(stated) == 1 else hashlib.sha256("".join(stated).encode()).hexdigest()


def names(folder: Path = FOLDER) -> list[str]:
    """The models in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.json"))


def find(name: str = DEFAULT, folder: Path = FOLDER, *, verify: bool = True) -> ModelFiles:
    """The files of a model, checked against the hashes of its card unless ``verify`` is false.

    Raises
    ------
    ModelError
        If there is no such model, or a file is missing or not the one that the card describes.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise ModelError(
            f"{path}: no model {name!r}; there are {', '.join(names(folder)) or 'none'}. Reinstall cygnet."
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        network = network_file(folder, name)
        stated = {network: card["files"]["network"]["sha256"]}
        statistics = folder / f"{name}.npz"
        if "statistics" in card["files"]:
            # Models with the same embedding share their statistics.
            statistics = folder / Path(card["files"]["statistics"]["name"]).name
            stated[statistics] = card["files"]["statistics"]["sha256"]
        files = ModelFiles(name, network, statistics, card)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: the model card is damaged ({error}). Reinstall cygnet.") from error
    for file, sha256 in stated.items():
        if not file.is_file():
            raise ModelError(f"{file}: missing. Reinstall cygnet.")
        found = sha256
        if verify:
            found = hashlib.sha256(read_network(file)).hexdigest() if file == network else file_sha256(file)
        if found != sha256:
            raise ModelError(f"{file}: not the file that its card {path.name} describes. Reinstall cygnet.")
    return files


def is_lesion_model(card: Mapping[str, Any]) -> bool:
    """Whether a card is that of a lesion model, which judges diagnoses; else it is that of an outline model."""
    return "diagnoses" in card


def find_lesion(name: str | None = None, folder: Path = FOLDER) -> ModelFiles:
    """The files of a lesion model by its name or by one of ``ALIASES``, by default the fast one.

    Raises
    ------
    InputError
        If there is no lesion model of this name.
    """
    return find(folder=folder) if name is None else _named("lesion", ALIASES, name, folder)


def find_outliner(name: str = PREFERRED, folder: Path = FOLDER) -> ModelFiles:
    """The files of an outline model by its name or by one of ``OUTLINERS``.

    Raises
    ------
    InputError
        If there is no outline model of this name.
    """
    return _named("outline", OUTLINERS, name, folder)


def _named(kind: Literal["lesion", "outline"], aliases: Mapping[str, str], name: str, folder: Path) -> ModelFiles:
    name = aliases.get(name, name)
    cards = {n: (folder / f"{n}.json").read_text(encoding="utf-8") for n in names(folder)}
    known = [n for n, card in cards.items() if ('"diagnoses"' in card) == (kind == "lesion")]
    if name not in known:
        raise InputError(f"no {kind} model {name!r}; there are {', '.join([*aliases, *known])}")
    return find(name, folder)
