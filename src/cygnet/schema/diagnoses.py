"""The seven diagnoses of HAM10000 (Tschandl, Rosendahl & Kittler 2018, Scientific Data 5:180161)."""

from __future__ import annotations

from typing import Final

DIAGNOSIS_NAMES: Final[dict[str, str]] = {
    "akiec": "actinic keratosis or intraepithelial carcinoma",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}

#: The order of every probability vector in Cygnet.
DIAGNOSES: Final[tuple[str, ...]] = tuple(DIAGNOSIS_NAMES)
