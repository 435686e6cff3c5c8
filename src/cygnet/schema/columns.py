"""Column names of ISIC, Kaggle and HAM10000 tables, 2016 to 2024, by field: the one place that knows them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cygnet.schema.suggest import nearest

_GENERAL_SITE: Final = ("anatom_site_general", "anatom_site_general_challenge")

#: What a lesion's comparison needs, first match wins.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "image": ("image", "image_name", "isic_id", "image_id", "file", "filename", "path"),
    "file": ("file", "filename", "path"),
    "patient_id": ("patient_id", "patient"),
    "lesion_id": ("lesion_id", "lesion"),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex", "gender"),
    "site": ("site", *_GENERAL_SITE, "anatom_site", "localization"),
    "acquisition_day": ("acquisition_day", "day"),
}

#: Further fields of ISIC 6.1 and of the tables that the archive takes; a field of its own name needs no entry.
METADATA: Final[dict[str, tuple[str, ...]]] = {
    **{field: names for field, names in COLUMNS.items() if field != "site"},
    "anatom_site": ("anatom_site", "site", "localization"),
    "anatom_site_general": _GENERAL_SITE,
    "anatom_site_special": ("anatom_site_special",),
    **{f"anatom_site_{k}": (f"anatom_site_{k}",) for k in range(1, 6)},
    "tbp_location": ("tbp_lv_location", "tbp_lv_location_simple"),
    "laterality": ("laterality",),
    "diagnosis": ("diagnosis", "iddx_full", "dx"),
    **{f"diagnosis_{k}": (f"diagnosis_{k}", f"iddx_{k}") for k in range(1, 6)},
    "diagnosis_confirm_type": ("diagnosis_confirm_type", "dx_type"),
    "fitzpatrick_skin_type": ("fitzpatrick_skin_type", "skin_type"),
    "copyright_license": ("copyright_license", "license", "licence"),
    "attribution": ("attribution",),
    **{
        name: (name,)
        for name in (
            *("personal_hx_mm", "family_hx_mm", "clin_size_long_diam_mm", "melanocytic", "concomitant_biopsy"),
            *("mel_mitotic_index", "mel_thick_mm", "mel_ulcer", "image_manipulation", "image_type"),
            *("dermoscopic_type", "tbp_tile_type", "rcm_case_id"),
        )
    },
}

#: Columns that may say benign or malignant.
BINARY: Final = ("benign_malignant", "target", "label", "malignant")


def plain(name: str) -> str:
    """A column name as it is compared: capitals, spaces and hyphens do not matter."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def match_columns(columns: Sequence[str], names: Mapping[str, tuple[str, ...]] = COLUMNS) -> dict[str, str]:
    """Field to column for the columns of a table, the first of a field's names that is there."""
    known = {plain(c): c for c in reversed(columns)}
    return {
        field: known[name]
        for field, aliases in names.items()
        if (name := next((n for n in aliases if n in known), None)) is not None
    }


def all_columns(columns: Sequence[str], aliases: Iterable[str]) -> list[str]:
    """Every column of a table that has one of ``aliases`` as its name, in the order of ``aliases``."""
    known = {plain(c): c for c in reversed(columns)}
    return [known[name] for name in aliases if name in known]


def suspects(columns: Sequence[str]) -> dict[str, str]:
    """Columns that nothing reads although their names are nearly known, and the names they are near to."""
    known = {name for names in METADATA.values() for name in names}
    found = {}
    for column in columns:
        name = plain(column)
        if name not in known and len(name) > 3:
            near = [n for n in nearest(name, known, 1) if abs(len(n) - len(name)) <= 2 and _close(name, n)]
            found.update({column: near[0]} if near else {})
    return found


def _close(a: str, b: str) -> bool:
    return difflib.SequenceMatcher(None, a, b).ratio() > 0.85 and not re.search(r"\d", a + b)


def suggest_image_column(columns: Sequence[str]) -> str:
    """What to say to a table without an image column."""
    close = [c for c in columns if difflib.get_close_matches(c.strip().lower(), COLUMNS["image"], n=1, cutoff=0.6)]
    hint = f"; rename {close[0]!r} to image" if close else ""
    return f"no image column among {', '.join(map(repr, columns)) or 'no columns'}; one of image, image_name, isic_id or file is needed{hint}"
