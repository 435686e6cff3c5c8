"""How far a lesion departs from its own patient's other lesions. numpy only."""

from cygnet.context.compare import Comparison, Reference, compare
from cygnet.context.ranking import MIN_LESIONS, Ranking, fuse, rank
from cygnet.context.reasons import NOTABLE, Deviation, describe, sentence

__all__ = [
    "MIN_LESIONS",
    "NOTABLE",
    "Comparison",
    "Deviation",
    "Ranking",
    "Reference",
    "compare",
    "describe",
    "fuse",
    "rank",
    "sentence",
]
