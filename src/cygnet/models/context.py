"""The learned context network at work: what is known of a patient's lesions in, one number for each out.

It comes with the package as a network file and a card. How its answer is used is the context room's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.models.registry import FOLDER, ModelFiles, find
from cygnet.models.session import open_session

DEFAULT: Final = "context-3"
#: Apart from the models that look at images.
CONTEXT: Final = FOLDER / "context"


def has_context(folder: Path = CONTEXT) -> bool:
    """Whether this installation comes with a learned context model."""
    return (folder / f"{DEFAULT}.json").is_file()


def find_context(folder: Path = CONTEXT) -> ModelFiles:
    """The files of the learned context model, checked as those of any other.

    Raises
    ------
    ModelError
        If there is no such model, or a file is missing or not the one that the card describes.
    """
    return find(DEFAULT, folder)


class ContextNetwork:
    """A loaded context network, called on the tokens of patients with equally many lesions.

    ``network`` is a file, by default that of the model that comes with the package. One patient runs at a time, so that no other patient can change even the last bit of its answer.
    """

    def __init__(self, network: Path | None = None) -> None:
        self._session = open_session(network or find_context().network, 1)

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
