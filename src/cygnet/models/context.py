"""The learned context network at work: what is known of a patient's lesions in, one number for each out.

It comes with the package as a network file and a card. How its answer is used is the context room's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import ModelError
from cygnet.models.registry import FOLDER
from cygnet.models.session import open_session
from cygnet.schema.files import file_sha256

DEFAULT: Final = "context-1"


@dataclass(frozen=True, slots=True)
class ContextFiles:
    """``name``, ``network`` file and ``card`` of a learned context model."""

    name: str
    network: Path
    card: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """SHA-256 of the network file, as the card states it."""
        return str(self.card["files"]["network"]["sha256"])


def has_context(folder: Path = FOLDER / "context") -> bool:
    """Whether this installation comes with a learned context model."""
    return (folder / f"{DEFAULT}.json").is_file()


def find_context(name: str = DEFAULT, folder: Path = FOLDER / "context") -> ContextFiles:
    """The files of a learned context model, checked against its card.

    Raises
    ------
    ModelError
        If there is no such model, or a file is missing or not the one that the card describes.
    """
    path, network = folder / f"{name}.json", folder / f"{name}.onnx"
    if not path.is_file() or not network.is_file():
        raise ModelError(f"{path}: no context model {name!r}. Reinstall cygnet.")
    try:
        files = ContextFiles(name, network, json.loads(path.read_text(encoding="utf-8")))
        stated = files.sha256
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: the model card is damaged ({error}). Reinstall cygnet.") from error
    if file_sha256(network) != stated:
        raise ModelError(f"{network}: not the file that its card {path.name} describes. Reinstall cygnet.")
    return files


class ContextNetwork:
    """A loaded context network, called on the tokens of patients with equally many lesions.

    One patient runs at a time, so that no other patient can change even the last bit of its answer.
    """

    def __init__(self, files: ContextFiles | None = None) -> None:
        self.files = files or find_context()
        self._session = open_session(self.files.network, 1)

    def __call__(
        self,
        lesions: NDArray[np.float32],
        sites: NDArray[np.int64],
        pairs: NDArray[np.float32],
        patients: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """(b, n) in [-1, 1] from ``lesions`` (b, n, 7), ``sites`` (b, n), ``pairs`` (b, n, n, 2), ``patients`` (b, 3)."""
        made = np.empty(lesions.shape[:2], np.float32)
        for i in range(len(lesions)):
            one = slice(i, i + 1)
            feed = {"lesions": lesions[one], "sites": sites[one], "pairs": pairs[one], "patients": patients[one]}
            made[i] = self._session.run(["answer"], feed)[0][0]
        return made
