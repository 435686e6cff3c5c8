"""What each metric means, which way is better, and where it comes from: one entry per name in ``evaluation.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Definition:
    """``direction`` says what is better, ``range`` what is possible (None: no bound), ``chance`` what guessing gets."""

    title: str
    direction: Literal["higher", "lower", "one", "zero"]
    range: tuple[float | None, float | None]
    definition: str
    source: str
    chance: float | None = None


_HANLEY = "Hanley & McNeil 1982"
#: Shares at which operating points are read off.
SPECIFICITIES: Final = (0.80, 0.90, 0.95)
SENSITIVITIES: Final = (0.80, 0.90, 0.95)

RANKING: Final[dict[str, Definition]] = {
    "auc": Definition(
        "AUC",
        "higher",
        (0, 1),
        "Chance that a melanoma scores above another lesion, of any patient; ties count half.",
        _HANLEY,
        0.5,
    ),
    "pauc": Definition(
        "pAUC above 80 % TPR",
        "higher",
        (0, 0.2),
        "Area between the ROC curve and the line at a true-positive rate of 0.8.",
        "ISIC 2024 challenge",
        0.02,
    ),
    "average_precision": Definition(
        "Average precision",
        "higher",
        (0, 1),
        "Mean over melanomas of the share of melanomas among lesions that score at least as high.",
        "Zhu 2004",
    ),
    **{
        f"sensitivity_at_specificity_{s:.0%}".rstrip("%"): Definition(
            f"Sensitivity at {s:.0%} specificity",
            "higher",
            (0, 1),
            f"Highest share of melanomas found by a threshold that passes at least {s:.0%} of the others; attained, not "
            "interpolated.",
            _HANLEY,
            round(1 - s, 2),
        )
        for s in SPECIFICITIES
    },
    **{
        f"specificity_at_sensitivity_{s:.0%}".rstrip("%"): Definition(
            f"Specificity at {s:.0%} sensitivity",
            "higher",
            (0, 1),
            f"Share of other lesions passed by the highest threshold that finds at least {s:.0%} of melanomas.",
            _HANLEY,
            round(1 - s, 2),
        )
        for s in SENSITIVITIES
    },
    **{
        f"review_per_melanoma_at_{s:.0%}".rstrip("%"): Definition(
            f"Lesions to review per melanoma at {s:.0%} sensitivity",
            "lower",
            (1, None),
            f"Lesions at or above the highest threshold that finds at least {s:.0%} of melanomas, per melanoma found.",
            "Kurtansky et al. 2024 (ISIC 2024)",
        )
        for s in SENSITIVITIES
    },
}
PATIENT: Final[dict[str, Definition]] = {
    "within_patient_auc": Definition(
        "Within-patient AUC",
        "higher",
        (0, 1),
        "Chance that a melanoma scores above another lesion of the same patient, averaged over patients with both.",
        "Stratified AUC, Janes & Pepe 2008",
        0.5,
    ),
    "hit_at_1": Definition(
        "hit@1",
        "higher",
        (0, 1),
        "Share of patients (with a melanoma and at least 10 lesions) whose highest-scoring lesion is a melanoma.",
        "Success at k of information retrieval",
    ),
    "hit_at_3": Definition(
        "hit@3",
        "higher",
        (0, 1),
        "Share of patients (with a melanoma and at least 10 lesions) with a melanoma among their three highest scores.",
        "Success at k of information retrieval",
    ),
}
PROBABILITY: Final[dict[str, Definition]] = {
    "brier": Definition("Brier score", "lower", (0, 1), "Mean squared error of the probabilities.", "Brier 1950"),
    "ece": Definition(
        "ECE",
        "lower",
        (0, 1),
        "Mean distance between stated and observed risk over ten groups of equal size, formed once on all rows.",
        "Naeini et al. 2015",
    ),
    "calibration_slope": Definition(
        "Calibration slope",
        "one",
        (None, None),
        "Slope of the outcome's log odds on the stated ones; below 1: too extreme.",
        "Cox 1958",
    ),
    "calibration_intercept": Definition(
        "Calibration in the large",
        "zero",
        (None, None),
        "Shift of the stated log odds that makes the mean risk right; below 0: risks are stated too high.",
        "Steyerberg 2009",
    ),
    "sensitivity": Definition("Sensitivity", "higher", (0, 1), "Share of melanomas at or above the threshold.", "-"),
    "specificity": Definition("Specificity", "higher", (0, 1), "Share of other lesions below the threshold.", "-"),
    "balanced_accuracy": Definition(
        "Balanced accuracy", "higher", (0, 1), "Mean of sensitivity and specificity at the threshold.", "-", 0.5
    ),
    "number_needed_to_biopsy": Definition(
        "Number needed to biopsy",
        "lower",
        (1, None),
        "Lesions at or above the threshold per melanoma among them.",
        "Sidhu et al. 2012",
    ),
    "net_benefit": Definition(
        "Net benefit",
        "higher",
        (None, 1),
        "Melanomas found less other lesions taken at the odds of the threshold, per lesion.",
        "Vickers & Elkin 2006",
    ),
}
MULTICLASS: Final[dict[str, Definition]] = {
    "multiclass_balanced_accuracy": Definition(
        "Balanced accuracy over diagnoses",
        "higher",
        (0, 1),
        "Mean over diagnoses of the share recognised, the highest score taken as the answer.",
        "ISIC 2018 Task 3",
    ),
}
ALL: Final[dict[str, Definition]] = {**RANKING, **PATIENT, **PROBABILITY, **MULTICLASS}


def as_json(names: set[str]) -> dict[str, Any]:
    """The definitions of ``names``, in order."""
    return {name: asdict(d) for name, d in ALL.items() if name in names}
