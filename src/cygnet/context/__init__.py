"""How far a lesion departs from its own patient's other lesions. numpy only."""

from cygnet.context.cohort import Cohort
from cygnet.context.compare import Comparison, Reference, compare
from cygnet.context.estimator import ContextClassifier
from cygnet.context.layer import Context, Options, in_context, learn, log_odds
from cygnet.context.method import Method
from cygnet.context.methods import METHODS
from cygnet.context.ranking import MIN_LESIONS, Ranking, fuse, rank
from cygnet.context.reasons import (
    NOTABLE,
    Deviation,
    counts_for,
    describe,
    describe_look,
    describe_score,
    sentence,
)

__all__ = [
    "METHODS",
    "MIN_LESIONS",
    "NOTABLE",
    "Cohort",
    "Comparison",
    "Context",
    "ContextClassifier",
    "Deviation",
    "Method",
    "Options",
    "Ranking",
    "Reference",
    "compare",
    "counts_for",
    "describe",
    "describe_look",
    "describe_score",
    "fuse",
    "in_context",
    "learn",
    "log_odds",
    "rank",
    "sentence",
]
