"""What isic-metadata itself says of some hundred rows: writes tests/schema/data/isic-metadata-6.1.json.

    CYGNET_ISIC_PYTHON=/path/to/python3.13 python studies/isic_parity.py

The package needs Python 3.12 and may live beside a Cygnet on 3.11: the named interpreter must be able to import it
(``pip install "isic-metadata==6.1.*"``). Without the variable, python3.12 and later are looked for on the PATH. The rows
are asked there in one go, by running this file again with ``--answer``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

OUT: Final = Path(__file__).resolve().parent.parent / "tests/schema/data/isic-metadata-6.1.json"
VOCABULARY: Final = Path(__file__).resolve().parent.parent / "src/cygnet/schema/data/isic-6.1.json"
_BOOLEAN: Final = ("true", "False", "yes", "n", "1", "0", "on", "2", "maybe", "", " true ", "T")
_INVASIVE: Final = "Melanoma Invasive"
#: Texts that each field is asked about, on their own.
_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "age": ("0", "52", "85", "86", "85+", "120", "300", "-1", "52.0", "52.5", "fifty", "", " 7 ", "unknown", "1e1"),
    "sex": ("male", "Female", "MALE", "m", "f", "man", "other", "unknown", "", " male ", "mle"),
    "anatom_site": (
        *(
            "Scalp",
            "scalp",
            "Head and neck:Head:Scalp",
            "Head and neck",
            "Back",
            "left forearm",
            "Forearm",
            "",
            "torso",
        ),
        *(
            "Trunk:Posterior trunk:Upper back",
            "Trunk::Posterior trunk",
            "Elsewhere",
            "Lower extremity:Scalp",
            "palms/soles",
        ),
    ),
    "anatom_site_special": ("acral NOS", "Acral NOS", "toenail", "nail", "oral or genital", ""),
    "diagnosis": (
        *("Nevus", "nevus", "Melanoma, NOS", "melanoma", "Benign", "unknown", "", "Malignant:Nevus", "naevus"),
        *("Benign:Benign melanocytic proliferations:Nevus", "Melanoma in situ", "BCC", "Basal cell carcinoma, Nodular"),
    ),
    "diagnosis_confirm_type": (
        "histopathology",
        "Histopathology",
        "histo",
        "biopsy",
        "serial imaging showing no change",
        "",
    ),
    "personal_hx_mm": _BOOLEAN,
    "family_hx_mm": ("true", "no"),
    "melanocytic": ("true", "no", "x"),
    "clin_size_long_diam_mm": (
        *("3", "3.5", "3.45", "3.456", "0", "-1", "3mm", "3 mm", "0.4cm", "500um", "3.14mm", "999.99", "1000", "3 in"),
        *("abc", "", "1_0", "nan", "inf", "3MM", " 4 ", "+3", "1e2"),
    ),
    "fitzpatrick_skin_type": ("I", "VI", "VII", "iii", "3", "", "0", "II-III"),
    "image_manipulation": ("altered", "instrument only", "Altered", "none", ""),
    "image_type": (
        *("dermoscopic", "Dermoscopic", "clinical: close-up", "clinical", "TBP tile: overview", "RCM: mosaic", ""),
        *("clinical:close-up", "dermoscopy"),
    ),
    "acquisition_day": ("0", "-4", "12", "12.0", "12.5", "2020-01-01", ""),
    "patient_id": ("P1", "", "123"),
    "lesion_id": ("L1", ""),
}
#: Rows of several fields.
_ROWS: Final[tuple[dict[str, str], ...]] = (
    {"mel_thick_mm": "0.8"},
    {"mel_thick_mm": "0.8", "diagnosis": _INVASIVE},
    {"mel_thick_mm": "0.8 mm", "diagnosis": "Melanoma Invasive, Nodular"},
    {"mel_thick_mm": "0.8mm", "diagnosis": "Nevus"},
    {"mel_thick_mm": "0.8", "diagnosis": "Melanoma in situ"},
    {"mel_thick_mm": "thin", "diagnosis": _INVASIVE},
    {"mel_thick_mm": "1.234", "diagnosis": _INVASIVE},
    {"mel_thick_mm": "0.8", "diagnosis": "Malignant"},
    {"mel_thick_mm": "0.8", "diagnosis": "Collision - At least one malignant proliferation"},
    {"mel_thick_mm": "-1", "diagnosis": _INVASIVE},
    {"mel_ulcer": "true", "diagnosis": "Melanoma, NOS"},
    {"mel_ulcer": "false", "diagnosis": "Nevus"},
    {"mel_ulcer": "true"},
    {"mel_mitotic_index": "<1/mm^2", "diagnosis": _INVASIVE},
    {"mel_mitotic_index": "<1", "diagnosis": _INVASIVE},
    {"mel_mitotic_index": "5/mm^2", "diagnosis": _INVASIVE},
    {"mel_mitotic_index": "0/MM^2", "diagnosis": _INVASIVE},
    {"mel_mitotic_index": "0/mm^2", "diagnosis": "Nevus"},
    {"dermoscopic_type": "contact polarized"},
    {"dermoscopic_type": "contact polarized", "image_type": "dermoscopic"},
    {"dermoscopic_type": "contact polarized", "image_type": "clinical: overview"},
    {"dermoscopic_type": "polarized", "image_type": "dermoscopic"},
    {"tbp_tile_type": "3D: white"},
    {"tbp_tile_type": "3D: white", "image_type": "TBP tile: close-up"},
    {"tbp_tile_type": "2D", "image_type": "TBP tile: overview"},
    {"tbp_tile_type": "3D: white", "image_type": "dermoscopic"},
    {"rcm_case_id": "R1"},
    {"rcm_case_id": "R2", "image_type": "RCM: tile"},
    {"rcm_case_id": "R3", "image_type": "dermoscopic"},
    {"concomitant_biopsy": "true"},
    {"concomitant_biopsy": "true", "diagnosis_confirm_type": "histopathology"},
    {"concomitant_biopsy": "true", "diagnosis_confirm_type": "single image expert consensus"},
    {"concomitant_biopsy": "false"},
    {"melanocytic": "false", "diagnosis": "Melanoma, NOS"},
    {"melanocytic": "true", "diagnosis": "Melanoma, NOS"},
    {"melanocytic": "true", "diagnosis": "Seborrheic keratosis"},
    {"anatom_site": "Scalp", "anatom_site_special": "toenail"},
    {"anatom_site": "Palm of hand", "anatom_site_special": "acral palms or soles"},
    {"diagnosis_1": "Malignant", "diagnosis_2": "Malignant melanocytic proliferations (Melanoma)"},
    {"diagnosis": "Nevus", "diagnosis_1": "Malignant"},
    {"diagnosis_1": "Malign"},
    {"anatom_site_1": "Trunk", "anatom_site_2": "Posterior trunk"},
)
#: Batches: rows that are asked together.
_BATCHES: Final[tuple[tuple[dict[str, str], ...], ...]] = (
    ({"lesion_id": "L", "patient_id": "A"}, {"lesion_id": "L", "patient_id": "B"}),
    ({"lesion_id": "L", "patient_id": "A"}, {"lesion_id": "L", "patient_id": "A"}),
    ({"lesion_id": "L"}, {"lesion_id": "L", "patient_id": "A"}),
    (
        {"rcm_case_id": "R", "lesion_id": "L", "image_type": "RCM: tile"},
        {"rcm_case_id": "R", "lesion_id": "M", "image_type": "RCM: tile"},
    ),
    ({"rcm_case_id": "R", "image_type": "RCM: macroscopic"}, {"rcm_case_id": "R", "image_type": "RCM: macroscopic"}),
    ({"rcm_case_id": "R", "image_type": "RCM: macroscopic"}, {"rcm_case_id": "R", "image_type": "RCM: mosaic"}),
    ({"patient_id": "A", "sex": "male"}, {"patient_id": "A", "sex": "female"}),
    ({"lesion_id": "L", "diagnosis": "Nevus"}, {"lesion_id": "L", "diagnosis": "Melanoma Invasive"}),
    ({"patient_id": "A", "fitzpatrick_skin_type": "I"}, {"patient_id": "A", "fitzpatrick_skin_type": "VI"}),
    ({"lesion_id": "L", "anatom_site": "Scalp"}, {"lesion_id": "L", "anatom_site": "Foot"}),
    (
        {"patient_id": "A", "age": "60", "acquisition_day": "0"},
        {"patient_id": "A", "age": "20", "acquisition_day": "365"},
    ),
)


def cases() -> dict[str, list[Any]]:
    """The rows and batches to ask about. Of the last names of both trees every seventh is among them."""
    rows = [{field: text} for field, texts in _TEXTS.items() for text in texts] + list(_ROWS)
    trees = json.loads(VOCABULARY.read_text(encoding="utf-8"))["trees"]
    for field, paths in trees.items():
        rows += [{field: path.split(":")[-1]} for path in paths[::7]]
    return {"rows": rows, "batches": [list(batch) for batch in _BATCHES]}


def interpreter() -> str | None:
    """A Python that can import isic-metadata, None if there is none."""
    named = os.environ.get("CYGNET_ISIC_PYTHON")
    for name in [named] if named else [f"python3.{minor}" for minor in range(12, 19)]:
        found = shutil.which(name)
        if found:
            test = subprocess.run([found, "-c", "import isic_metadata"], capture_output=True, check=False, env=_alone())
            if test.returncode == 0:
                return found
    return None


def ask(python: str, questions: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What isic-metadata under ``python`` says: for each row and batch its values, or its errors as [field, type]."""
    done = subprocess.run(
        [python, __file__, "--answer"],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
        env=_alone(),
    )
    answers: dict[str, list[Any]] = json.loads(done.stdout)
    return answers


def _alone() -> dict[str, str]:
    """The environment without what leads Python to this interpreter's packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def answer() -> None:
    """Runs where isic-metadata is installed: questions from standard input, answers to standard output."""
    isic, wrong = import_module("isic_metadata"), import_module("pydantic").ValidationError

    def row(given: dict[str, str]) -> dict[str, Any]:
        try:
            made = isic.MetadataRow.model_validate(given).model_dump(mode="json", exclude_none=True)
        except wrong as error:
            return {"errors": [[".".join(map(str, e["loc"])), e["type"]] for e in error.errors()]}
        return {"values": made}

    def batch(given: list[dict[str, str]]) -> dict[str, Any]:
        try:
            isic.MetadataBatch(items=[isic.MetadataRow.model_validate(item) for item in given])
        except wrong as error:
            return {"errors": [["", e["type"]] for e in error.errors()]}
        return {"values": {}}

    asked = json.load(sys.stdin)
    print(json.dumps({"rows": [row(r) for r in asked["rows"]], "batches": [batch(b) for b in asked["batches"]]}))


def main() -> None:
    """Write the table of answers."""
    python = interpreter()
    if python is None:
        sys.exit("no Python with isic-metadata found; " + (__doc__ or ""))
    questions = cases()
    answers = ask(python, questions)
    table = {
        "source": "answers of isic-metadata 6.1.0 (Apache-2.0), written by studies/isic_parity.py",
        **{
            kind: [{"asked": q, **a} for q, a in zip(questions[kind], answers[kind], strict=True)] for kind in questions
        },
    }
    lines = json.dumps(table, ensure_ascii=False)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(lines.replace('{"asked"', '\n{"asked"') + "\n", encoding="utf-8")
    print(f"{OUT}: {len(questions['rows'])} rows and {len(questions['batches'])} batches")


if __name__ == "__main__":
    answer() if "--answer" in sys.argv else main()
