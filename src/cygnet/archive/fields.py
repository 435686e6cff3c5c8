"""The fields that can be searched, counted and shown, and where each lives.

A field of few values (sex, a diagnosis) lives in ``profile``, one row per combination that occurs; a field of many values
(an id, a diameter) lives with its image. What the query language, facets, results and exports know of a field is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["text", "number", "bool"]
Group = Literal["acquisition", "clinical", ""]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``home`` is the table it is stored in; ``group`` its place in a result's metadata, "" for the top level.

    ``whole`` says that a number is a whole one. ``facet`` says whether its values are counted.
    """

    name: str
    kind: Kind = "text"
    home: Literal["profile", "image", "other"] = "profile"
    group: Group = "clinical"
    whole: bool = False
    facet: bool = True


def _levels(name: str) -> tuple[Field, ...]:
    return tuple(Field(f"{name}_{k}") for k in range(1, 6))


#: In the order of results, exports and facets. Names and kinds are those of the ISIC Archive's API v2 (metadata 6.1).
FIELDS: Final[tuple[Field, ...]] = (
    Field("isic_id", home="image", group="", facet=False),
    Field("public", "bool", group=""),
    Field("copyright_license", group=""),
    Field("attribution", group=""),
    Field("collections", "number", home="other", group="", whole=True, facet=False),
    Field("pixels_x", "number", home="image", group="acquisition", whole=True, facet=False),
    Field("pixels_y", "number", home="image", group="acquisition", whole=True, facet=False),
    Field("image_type", group="acquisition"),
    Field("dermoscopic_type", group="acquisition"),
    Field("image_manipulation", group="acquisition"),
    Field("age_approx", "number", whole=True),
    Field("sex"),
    *_levels("anatom_site"),
    Field("anatom_site_special"),
    *_levels("diagnosis"),
    Field("diagnosis_confirm_type"),
    Field("concomitant_biopsy", "bool"),
    Field("melanocytic", "bool"),
    Field("personal_hx_mm", "bool"),
    Field("family_hx_mm", "bool"),
    Field("clin_size_long_diam_mm", "number", home="image", facet=False),
    Field("mel_thick_mm", "number", home="image", facet=False),
    Field("mel_ulcer", "bool"),
    Field("mel_mitotic_index"),
    Field("fitzpatrick_skin_type"),
    Field("tbp_tile_type"),
    Field("acquisition_day", "number", home="image", whole=True, facet=False),
    Field("patient_id", home="other", facet=False),
    Field("lesion_id", home="other", facet=False),
    Field("rcm_case_id", home="image", facet=False),
)
BY_NAME: Final[dict[str, Field]] = {field.name: field for field in FIELDS}
#: Values that a profile combines, apart from ``public``, which follows from its state.
PROFILE: Final[tuple[str, ...]] = tuple(f.name for f in FIELDS if f.home == "profile" and f.name != "public")
FACETS: Final[tuple[str, ...]] = tuple(f.name for f in FIELDS if f.facet)

#: What may happen to an image, in the order of a normal life.
STATES: Final = ("draft", "accepted", "rejected", "published", "embargoed")


def publish_age(age: int | None) -> int | None:
    """Age as the ISIC Archive publishes it: rounded to 5 years, 85 for everyone older; halves go up."""
    return None if age is None else min(85, (age + 2) // 5 * 5)


def as_result(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Flat values to the metadata of an API result: acquisition and clinical, without what is not known."""
    grouped: dict[str, dict[str, Any]] = {"acquisition": {}, "clinical": {}}
    for field in FIELDS:
        if field.group and values.get(field.name) is not None:
            grouped[field.group][field.name] = values[field.name]
    return grouped
