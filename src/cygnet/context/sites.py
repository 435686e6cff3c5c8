"""Body sites as numbers: ISIC's general sites in a fixed order, any other words after them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cygnet.schema import SITES
from cygnet.schema.records import ValueProblem, read_site


def site_words(words: NDArray[np.generic]) -> NDArray[np.object_]:
    """Sites (n,) in ISIC's words where they can be told, else as written in small letters; "" where unknown.

    Any word will do to compare like with like.
    """
    kinds, code = np.unique(words.astype(str), return_inverse=True)
    return np.array([_read(word) for word in kinds.tolist()], object)[code]


def _read(word: str) -> str:
    try:
        return read_site(word) or ""
    except ValueProblem:
        return word.lower()


def site_numbers(words: NDArray[np.generic]) -> NDArray[np.int64]:
    """Numbers (n,) of sites: the place in ``cygnet.schema.SITES``, numbers from there on for other words, -1 for unknown."""
    kinds, code = np.unique(site_words(words).astype(str), return_inverse=True)
    others = iter(range(len(SITES), len(SITES) + len(kinds)))
    made = [-1 if not kind else SITES.index(kind) if kind in SITES else next(others) for kind in kinds.tolist()]
    return np.array(made, np.int64)[code]
