"""Labels of past challenges and of HAM10000, to ISIC's diagnoses and to Cygnet's seven, and back.

Where a label is wider than any node of ISIC's tree, the deepest node that is certain is taken (a vascular lesion may be a
hemorrhage: "Benign"), and None where there is none (AKIEC spans Indeterminate and Malignant). ``covers`` lists the nodes
that the label stands for, which serves the way back.

Sources: Tschandl, Rosendahl & Kittler 2018, Scientific Data 5:180161 (HAM10000, 2018); Codella et al. 2018, arXiv:1710.05006
(2017); Combalia et al. 2019, arXiv:1908.02288 (2019); Rotemberg et al. 2021, Scientific Data 8:34 (2020); Kurtansky et al.
2024, Scientific Data 11:884 (2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cygnet.errors import InputError
from cygnet.schema.vocabulary import vocabulary, within

_EPIDERMAL: Final = "Benign:Benign epidermal proliferations"
_INDETERMINATE: Final = "Indeterminate:Indeterminate epidermal proliferations"
_CARCINOMA: Final = "Malignant:Malignant epidermal proliferations"
_MELANOMA: Final = "Malignant:Malignant melanocytic proliferations (Melanoma)"
_NEVUS: Final = "Benign:Benign melanocytic proliferations:Nevus"
_BASAL: Final = "Malignant:Malignant adnexal epithelial proliferations - Follicular:Basal cell carcinoma"
_FIBROMA: Final = "Benign:Benign soft tissue proliferations - Fibro-histiocytic:Dermatofibroma"
_SEBORRHEIC: Final = f"{_EPIDERMAL}:Seborrheic keratosis"
_IN_SITU: Final = f"{_CARCINOMA}:Squamous cell carcinoma in situ"


@dataclass(frozen=True, slots=True)
class Label:
    """What a challenge's label says. ``diagnosis`` is the deepest certain node of ISIC's tree, None if there is none;
    ``covers`` the nodes it stands for, with all below them; ``seven`` Cygnet's diagnosis, None if it is none of them."""

    diagnosis: str | None
    covers: tuple[str, ...] = ()
    seven: str | None = None


_MEL: Final = Label(f"{_MELANOMA}:Melanoma, NOS", (_MELANOMA,), "mel")
_NV: Final = Label(_NEVUS, (_NEVUS,), "nv")
_BCC: Final = Label(_BASAL, (_BASAL,), "bcc")
_AK: Final = Label(f"{_INDETERMINATE}:Solar or actinic keratosis", (_INDETERMINATE,), "akiec")
_AKIEC: Final = Label(None, (_INDETERMINATE, _IN_SITU), "akiec")
_BKL: Final = Label(
    f"{_EPIDERMAL}:Pigmented benign keratosis",
    (
        f"{_EPIDERMAL}:Pigmented benign keratosis",
        _SEBORRHEIC,
        f"{_EPIDERMAL}:Solar lentigo",
        f"{_EPIDERMAL}:Lichen planus like keratosis",
    ),
    "bkl",
)
_DF: Final = Label(_FIBROMA, (_FIBROMA,), "df")
_VASC: Final = Label(
    "Benign", ("Benign:Benign soft tissue proliferations - Vascular", "Benign:Hemorrhagic lesions"), "vasc"
)
_SCC: Final = Label(
    f"{_CARCINOMA}:Squamous cell carcinoma, NOS",
    (
        _IN_SITU,
        f"{_CARCINOMA}:Squamous cell carcinoma, Invasive",
        f"{_CARCINOMA}:Squamous cell carcinoma, NOS",
        f"{_CARCINOMA}:Verrucous carcinoma",
    ),
)
_SK: Final = Label(_SEBORRHEIC, (_SEBORRHEIC,), "bkl")
_BENIGN: Final = Label("Benign", ("Benign",))
_MALIGNANT: Final = Label("Malignant", ("Malignant",))
_NOTHING: Final = Label(None)

#: Labels of each challenge as its files write them, in the order of their columns.
CHALLENGES: Final[dict[str, dict[str, Label]]] = {
    "2016": {"benign": _BENIGN, "malignant": _MALIGNANT},
    "2017": {"melanoma": _MEL, "seborrheic_keratosis": _SK, "nevus": _NV},
    "2018": {"MEL": _MEL, "NV": _NV, "BCC": _BCC, "AKIEC": _AKIEC, "BKL": _BKL, "DF": _DF, "VASC": _VASC},
    "2019": {
        **{"MEL": _MEL, "NV": _NV, "BCC": _BCC, "AK": _AK, "BKL": _BKL, "DF": _DF, "VASC": _VASC, "SCC": _SCC},
        "UNK": _NOTHING,
    },
    "2020": {
        "melanoma": _MEL,
        "nevus": _NV,
        "seborrheic keratosis": _SK,
        "lentigo NOS": Label("Benign:Flat melanotic pigmentations - not melanocytic nevus:Lentigo NOS"),
        "solar lentigo": Label(f"{_EPIDERMAL}:Solar lentigo", (f"{_EPIDERMAL}:Solar lentigo",), "bkl"),
        "lichenoid keratosis": Label(
            f"{_EPIDERMAL}:Lichen planus like keratosis", (f"{_EPIDERMAL}:Lichen planus like keratosis",), "bkl"
        ),
        "cafe-au-lait macule": Label(
            "Benign:Flat melanotic pigmentations - not melanocytic nevus:Cafe au lait macule or patch"
        ),
        # named benign in the set, though ISIC now counts atypical proliferations as Indeterminate: nothing is certain
        "atypical melanocytic proliferation": _NOTHING,
        "unknown": _NOTHING,
    },
    "2024": {"benign": _BENIGN, "malignant": _MALIGNANT},
    "ham10000": {name: lab for lab in (_AKIEC, _BCC, _BKL, _DF, _MEL, _NV, _VASC) if (name := lab.seven)},
}
#: Labels whose truth is a column each, 1 for the one that holds. In 2017 neither column means a nevus.
ONE_HOT: Final[dict[str, tuple[str, ...]]] = {
    "2017": ("melanoma", "seborrheic_keratosis"),
    "2018": tuple(CHALLENGES["2018"]),
    "2019": tuple(CHALLENGES["2019"]),
}
_OLD_WORDS: Final[dict[str, Label]] = {
    **{
        name.casefold().replace("_", " "): label
        for year in ("2019", "2018", "2017", "ham10000", "2020")
        for name, label in CHALLENGES[year].items()
    },
    "melanocytic nevus": _NV,
    "melanocytic nevi": _NV,
    "sk": _SK,
    "actinic keratosis": _AK,
    "benign keratosis": _BKL,
    "vascular lesion": _VASC,
    "squamous cell carcinoma": _SCC,
    "bowen's disease": Label(f"{_IN_SITU}:Squamous cell carcinoma in situ, Bowens disease", (_IN_SITU,), "akiec"),
}


class Found(NamedTuple):
    """What a diagnosis text means. ``path`` in ISIC's tree, None where only an old ``label`` without a node was found."""

    path: str | None
    label: Label | None = None


def find_diagnosis(text: str) -> Found | None:
    """ISIC's diagnosis for a name, a path, or a label of a past challenge; capitals do not matter. None if unknown."""
    if path := vocabulary().diagnoses.find(text):
        return Found(path)
    label = _OLD_WORDS.get(" ".join(text.casefold().replace("_", " ").split()))
    return Found(label.diagnosis, label) if label else None


def seven(path: str) -> str | None:
    """Cygnet's diagnosis ("mel", "nv" ...) of an ISIC diagnosis; None where it is none of the seven, or may be several."""
    return to_label(path, "ham10000")


def to_label(path: str, challenge: str) -> str | None:
    """The label that a challenge gives an ISIC diagnosis; None where it has none, or where the diagnosis is too wide.

    Raises
    ------
    InputError
        If there is no such challenge.
    """
    fitting = [
        (max(len(c) for c in label.covers if within(path, c)), name)
        for name, label in labels(challenge).items()
        if any(within(path, c) for c in label.covers)
    ]
    return max(fitting)[1] if fitting else None


def labels(challenge: str) -> Mapping[str, Label]:
    """The labels of a challenge, by name.

    Raises
    ------
    InputError
        If there is no such challenge.
    """
    if challenge not in CHALLENGES:
        raise InputError(f"no challenge {challenge!r}; there are {', '.join(CHALLENGES)}")
    return CHALLENGES[challenge]


def from_target(target: float, challenge: str) -> str | None:
    """The diagnosis that a binary target means: melanoma or benign in 2020, malignant or benign in 2016 and 2024.

    Raises
    ------
    ValueError
        If ``target`` is neither 0 nor 1.
    """
    if target not in (0, 1):
        raise ValueError(f"target {target!r} is neither 0 nor 1")
    if target == 0:
        return "Benign"
    return _MEL.diagnosis if challenge == "2020" else "Malignant"


def to_target(path: str, challenge: str) -> int | None:
    """The binary target of an ISIC diagnosis: melanoma (2020) or malignant (2016, 2024); None where it is too wide."""
    node = _MELANOMA if challenge == "2020" else "Malignant"
    if within(path, node):
        return 1
    return None if within(node, path) else 0


def one_hot(columns: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The challenge whose truth or scores these columns hold, and label to column; None if they are no such table."""
    lower = {column.strip().lower(): column for column in columns}
    for year in ("2019", "2018", "2017"):
        names = [n for n in ONE_HOT[year] if n != "UNK"]
        if all(name.lower() in lower for name in names):
            found = {name: lower[name.lower()] for name in ONE_HOT[year] if name.lower() in lower}
            return year, found
    return None


def from_one_hot(values: Mapping[str, float], challenge: str) -> str:
    """The label that a row of zeros and a one names.

    Raises
    ------
    ValueError
        If a value is neither 0 nor 1, or not exactly one (in 2017: more than one) is 1.
    """
    if any(value not in (0, 1) for value in values.values()):
        raise ValueError(f"{'/'.join(values)} holds a value other than 0 and 1")
    chosen = [name for name, value in values.items() if value == 1]
    if not chosen and challenge == "2017":
        return "nevus"
    if len(chosen) != 1:
        raise ValueError(f"{' and '.join(chosen) or 'none'} of {'/'.join(values)} is 1; exactly one must be")
    return chosen[0]


def to_one_hot(label: str | None, challenge: str) -> dict[str, float]:
    """A row of a truth table: 1.0 for ``label``, 0.0 for the rest. 2019 puts None under UNK.

    Raises
    ------
    InputError
        If the challenge has no such label.
    """
    names = ONE_HOT[challenge]
    if label is None and "UNK" in names:
        label = "UNK"
    if label not in (*names, *(("nevus",) if challenge == "2017" else ())):
        raise InputError(f"{label!r} is no label of {challenge}; there are {', '.join(names)}")
    return {name: float(name == label) for name in names}
