"""What Cygnet says of a patient: plain frozen records, ready for a table, JSON, CSV or a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cygnet.context import Deviation
from cygnet.imaging import Finding
from cygnet.triage.outlines import Outline

if TYPE_CHECKING:
    import polars as pl

RESEARCH_USE = "Research use only. Not a medical device. A low rank does not mean that a lesion is safe."


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers come from; the same in every output of one run."""

    code_version: str
    model: str
    model_sha256: str
    segmenter: str
    segmenter_sha256: str
    prevalence: float
    guard: float
    threshold_note: str = ""


@dataclass(frozen=True, slots=True)
class ImageAssessment:
    """One input image.

    ``image`` is its name (isic_id or file stem), ``file`` the path as given, ``width`` and ``height`` pixels of the file
    after orientation (0 when unreadable). ``p_diagnosis`` maps each diagnosis to its calibrated probability; empty when
    the image could not be assessed. ``measurements`` has the lesion's by name (``cygnet.imaging.MEASUREMENTS``), empty, and
    ``outline`` is None, where no lesion was found. ``attention``, rows of a square grid over the image, is above 0 where the
    image spoke for melanoma (``cygnet.models.Prediction``), empty where the model does not say. ``findings`` are what the quality gate saw; any with ``refuses`` makes the image
    not assessable.
    """

    image: str
    file: str
    sha256: str
    width: int
    height: int
    findings: tuple[Finding, ...]
    p_diagnosis: Mapping[str, float]
    measurements: Mapping[str, float] = field(default_factory=dict)
    outline: Outline | None = None
    attention: tuple[tuple[float, ...], ...] = ()

    @property
    def assessable(self) -> bool:
        """Whether the image gave a probability."""
        return bool(self.p_diagnosis)

    @property
    def reason(self) -> str:
        """The findings in one line; empty when there is none."""
        return "; ".join(f.message for f in self.findings)


@dataclass(frozen=True, slots=True)
class LesionAssessment:
    """One lesion: its images pooled, and how it stands among the patient's other lesions.

    ``p_melanoma`` in [0, 1] is calibrated at the run's prevalence. ``oddness`` in [0, 1], higher is more unlike the
    patient's other lesions; NaN when there is nothing to compare with. ``score`` in [0, 1] orders the patient's
    lesions, higher is more suspicious. ``rank`` 1 is the most suspicious of the patient; ``rank_low``..``rank_high`` is
    an 80 % interval under the noise of photographing the same lesion again. All are None or NaN when not assessable.
    ``family`` is a letter shared by lesions that look alike, or None for one that stands alone. ``nearest`` is the
    lesion_id of the most similar sibling. ``guarded`` says that the sensitivity guard kept context from lowering it.
    """

    lesion_id: str
    site: str | None
    images: tuple[ImageAssessment, ...]
    p_melanoma: float
    p_diagnosis: Mapping[str, float]
    oddness: float
    score: float
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    family: str | None
    nearest: str | None
    deviations: tuple[Deviation, ...]
    guarded: bool
    reason: str

    @property
    def assessable(self) -> bool:
        """Whether at least one of its images could be assessed."""
        return self.rank is not None

    @property
    def cover(self) -> ImageAssessment:
        """The image to show: the first that could be assessed, else the first."""
        return next((i for i in self.images if i.assessable), self.images[0])


@dataclass(frozen=True, slots=True)
class Assessment:
    """One patient. ``lesions`` are ordered by rank; those that cannot be assessed come last.

    ``company`` says how good the comparison is: "good", "few" (context is shown but does not move the score) or "none".
    """

    patient_id: str
    age: float | None
    sex: str | None
    company: str
    lesions: tuple[LesionAssessment, ...]
    provenance: Provenance
    notes: tuple[str, ...] = field(default=())

    @property
    def assessable(self) -> tuple[LesionAssessment, ...]:
        """The ranked lesions, most suspicious first."""
        return tuple(lesion for lesion in self.lesions if lesion.assessable)

    @property
    def company_words(self) -> str:
        """How many siblings each lesion was compared with, in words."""
        n = len(self.assessable)
        if self.company == "none":
            return "no siblings to compare with" if n else "nothing could be assessed"
        if self.company == "few":
            return f"only {n} lesions, too few to compare: ordered by absolute score"
        return f"each lesion compared with its {n - 1} siblings"

    def rows(self) -> list[dict[str, Any]]:
        """One flat dictionary per image, lesions by rank: the rows of assessment.csv."""
        from cygnet.triage.rows import image_rows

        return image_rows(self)

    def to_polars(self) -> pl.DataFrame:
        """One row per image; missing values are null."""
        import polars as pl

        return pl.DataFrame(self.rows(), infer_schema_length=None)

    def __str__(self) -> str:
        from cygnet.triage.rows import text_table

        return text_table(self)

    def _repr_html_(self) -> str:
        from cygnet.triage.rows import html_table

        return html_table(self)
