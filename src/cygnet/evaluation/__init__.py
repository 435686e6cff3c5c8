"""Metrics and their uncertainty, controls and audits. Knows no page and no command."""

from cygnet.evaluation.bootstrap import Resamples, interval
from cygnet.evaluation.controls import controls
from cygnet.evaluation.evaluate import Plan, evaluate
from cygnet.evaluation.judge import Estimate, Judgement, judge
from cygnet.evaluation.readers import anchor
from cygnet.evaluation.study import Reading, Study, build
from cygnet.evaluation.subgroups import by_group

__all__ = [
    "Estimate",
    "Judgement",
    "Plan",
    "Reading",
    "Resamples",
    "Study",
    "anchor",
    "build",
    "by_group",
    "controls",
    "evaluate",
    "interval",
    "judge",
]
