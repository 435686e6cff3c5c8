"""One patient's examined images to an assessment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.context import (
    MIN_LESIONS,
    Comparison,
    Deviation,
    Ranking,
    Reference,
    compare,
    counts_for,
    describe,
    describe_look,
    describe_score,
    rank,
    sentence,
)
from cygnet.errors import InputError, ModelError
from cygnet.imaging import MEASUREMENTS, Finding, Reason
from cygnet.models import LesionModel
from cygnet.schema import DIAGNOSES
from cygnet.triage.assessment import Assessment, ImageAssessment, LesionAssessment, Provenance
from cygnet.triage.calibration import Calibration, melanoma_logit, probabilities
from cygnet.triage.pipeline import Examined, Look
from cygnet.triage.rows import letter

_MEL = DIAGNOSES.index("mel")


@dataclass(frozen=True, slots=True)
class Options:
    """``prevalence`` of melanoma among imaged lesions that probabilities are stated at, in (0, 1). ``guard``: the
    probability from which on context never lowers a lesion, in [0, 1]."""

    prevalence: float = 0.02
    guard: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.prevalence < 1:
            raise InputError(f"prevalence {self.prevalence} is not between 0 and 1; 0.02 means two in a hundred")
        if not 0 <= self.guard <= 1:
            raise InputError(f"guard {self.guard} is not between 0 and 1; 0.05 means five in a hundred")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a model card says is needed to judge its outputs."""

    calibration: Calibration
    reference: Reference

    @classmethod
    def from_model(cls, model: LesionModel) -> Yardstick:
        """Read from the model's card; ModelError if it was made for other measurements."""
        stated: dict[str, Any] = dict(model.card["reference"])
        spread = stated["measurement_spread"]
        if missing := [name for name, _, _ in MEASUREMENTS if name not in spread]:
            words = f"states no spread of {', '.join(missing)}; it belongs to another version. Reinstall cygnet."
            raise ModelError(f"model card of {model.card['name']} {words}")
        stated["measurement_spread"] = tuple(spread[name] for name, _, _ in MEASUREMENTS)
        return cls(Calibration.from_card(model.card), Reference(**stated))


@dataclass(frozen=True, slots=True)
class _Lesion:
    lesion_id: str
    site: str | None
    images: tuple[Examined, ...]
    look: Look | None


def assess(
    examined: Sequence[Examined],
    yardstick: Yardstick,
    options: Options,
    provenance: Provenance,
    notes: Sequence[str] = (),
) -> Assessment:
    """Pool, compare and rank the images of one patient. The order of the images does not matter."""
    examined, repeats = _without_repeats(examined)
    lesions = _lesions(examined)
    seen = [lesion for lesion in lesions if lesion.look is not None]
    n = len(seen)
    judged = _judge(seen, yardstick, options) if n else []
    unseen = [_unassessed(lesion) for lesion in lesions if lesion.look is None]
    first = examined[0].record
    return Assessment(
        patient_id=first.patient_id,
        age=next((e.record.age for e in examined if e.record.age is not None), None),
        sex=next((e.record.sex for e in examined if e.record.sex is not None), None),
        company="none" if n < 2 else "few" if n < MIN_LESIONS else "good",
        lesions=(*judged, *sorted(unseen, key=lambda lesion: lesion.lesion_id)),
        provenance=provenance,
        notes=(*notes, *repeats),
    )


def _without_repeats(examined: Sequence[Examined]) -> tuple[list[Examined], list[str]]:
    """The same with the second copy of a file refused, unless both are given as one lesion.

    Two copies of one photograph would count as each other's look-alike and hide an odd lesion.
    """
    first: dict[str, Examined] = {}
    result: list[Examined] = []
    notes: list[str] = []
    for e in sorted(examined, key=lambda e: e.record.image):
        earlier = first.setdefault(e.sha256, e) if e.look is not None else e
        same_lesion = earlier.record.lesion_id is not None and earlier.record.lesion_id == e.record.lesion_id
        if earlier is not e and not same_lesion:
            words = f"the same file as {earlier.record.image}"
            notes.append(f"{e.record.image} is {words} and was left out")
            e = replace(e, look=None, findings=(*e.findings, Finding(Reason.DUPLICATE, words, True)))
        result.append(e)
    return result, notes


def _lesions(examined: Sequence[Examined]) -> list[_Lesion]:
    groups: dict[tuple[bool, str], list[Examined]] = {}
    for e in examined:
        key = (True, e.record.lesion_id) if e.record.lesion_id is not None else (False, e.record.image)
        groups.setdefault(key, []).append(e)
    return [_pool(name, images) for (_, name), images in groups.items()]


def _pool(name: str, images: list[Examined]) -> _Lesion:
    looks = [e.look for e in images if e.look is not None]
    site = next((e.record.site for e in images if e.record.site), None)
    if len(looks) < 2:
        return _Lesion(name, site, tuple(images), looks[0] if looks else None)
    logits, embedding = (np.mean([getattr(x, f) for x in looks], axis=0) for f in ("logits", "embedding"))
    measured = [x.measurements for x in looks if x.outline is not None] or [looks[0].measurements]
    return _Lesion(name, site, tuple(images), Look(logits, embedding, np.mean(measured, axis=0)))


def _judge(seen: list[_Lesion], yardstick: Yardstick, options: Options) -> list[LesionAssessment]:
    looks = [lesion.look for lesion in seen if lesion.look is not None]
    logits = np.stack([look.logits for look in looks])
    p = probabilities(logits, yardstick.calibration, options.prevalence)
    found = compare(
        np.stack([look.embedding for look in looks]),
        melanoma_logit(logits, yardstick.calibration, options.prevalence),
        _neutral(np.stack([look.measurements for look in looks])),
        [lesion.site for lesion in seen],
        yardstick.reference,
    )
    ranking = rank(p[:, _MEL], found.oddness, options.guard, yardstick.reference.logit_noise)
    letters = _family_letters(found, ranking)
    by_image = _by_image(seen, yardstick, options)
    made = [
        _assessed(lesion, i, seen, p[i].tolist(), found, ranking, letters, by_image) for i, lesion in enumerate(seen)
    ]
    return sorted(made, key=lambda lesion: (lesion.rank or 0, lesion.lesion_id))


def _neutral(measurements: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measurements (n, m) with those of unmeasured lesions (NaN) put at the median, where they are no departure."""
    missing = np.isnan(measurements)
    if not missing.any():
        return measurements
    known = measurements[~missing.any(axis=1)]
    middle = np.median(known, axis=0) if len(known) else np.zeros(measurements.shape[1], np.float32)
    return np.asarray(np.where(missing, middle, measurements), np.float32)


def _assessed(
    lesion: _Lesion,
    i: int,
    seen: list[_Lesion],
    p: list[float],
    found: Comparison,
    ranking: Ranking,
    letters: dict[int, str],
    by_image: dict[str, list[float]],
) -> LesionAssessment:
    measured = bool(lesion.look is not None and np.isfinite(lesion.look.measurements).all())
    deviations = _deviations(found, i, measured=measured)
    near = int(found.nearest[i])
    return LesionAssessment(
        lesion_id=lesion.lesion_id,
        site=lesion.site,
        images=tuple(_image(e, by_image.get(e.record.image, ())) for e in lesion.images),
        p_melanoma=p[_MEL],
        p_diagnosis=dict(zip(DIAGNOSES, p, strict=True)),
        oddness=float(found.oddness[i]),
        score=float(ranking.score[i]),
        rank=int(ranking.rank[i]),
        rank_low=int(ranking.low[i]),
        rank_high=int(ranking.high[i]),
        family=letters.get(int(found.family[i])),
        nearest=seen[near].lesion_id if near >= 0 else None,
        deviations=deviations,
        guarded=bool(ranking.guarded[i]),
        reason=_reason(deviations, len(seen)),
    )


def _deviations(found: Comparison, i: int, *, measured: bool) -> tuple[Deviation, ...]:
    """All deviations of a lesion, the largest first; none of measurements where it was not ``measured``."""
    n = int(found.siblings[i])
    if not n:
        return ()
    site = bool(found.same_site[i])
    made = [
        describe(
            name,
            higher,
            lower,
            float(found.z_measurements[i, k]),
            int(found.below[i, k]),
            int(found.above[i, k]),
            n,
            same_site=site,
        )
        for k, (name, higher, lower) in enumerate(MEASUREMENTS if measured else ())
    ]
    made.append(describe_look(float(found.z_look[i]), n, same_site=site))
    made.append(describe_score(float(found.z_score[i]), n, same_site=site))
    return tuple(sorted(made, key=lambda d: (-abs(d.z), d.feature)))


def _reason(deviations: Sequence[Deviation], n: int) -> str:
    if n < 2:
        return "no siblings to compare with; absolute score only"
    words = sentence([d for d in deviations if counts_for(d)])
    return f"too few siblings to compare well; {words}" if n < MIN_LESIONS else words


def _family_letters(found: Comparison, ranking: Ranking) -> dict[int, str]:
    """Family number to letter: A is the largest; of equal ones the family with the best rank comes first."""
    members: dict[int, list[int]] = {}
    for i, family in enumerate(found.family):
        if family >= 0:
            members.setdefault(int(family), []).append(int(ranking.rank[i]))
    ordered = sorted(members, key=lambda f: (-len(members[f]), min(members[f])))
    return {family: letter(k) for k, family in enumerate(ordered)}


def _by_image(seen: list[_Lesion], yardstick: Yardstick, options: Options) -> dict[str, list[float]]:
    """Probabilities of each image's diagnoses, by the image's name."""
    looked = [(e.record.image, e.look.logits) for lesion in seen for e in lesion.images if e.look is not None]
    p = probabilities(np.stack([logits for _, logits in looked]), yardstick.calibration, options.prevalence)
    return dict(zip((name for name, _ in looked), p.tolist(), strict=True))


def _image(e: Examined, p: Sequence[float]) -> ImageAssessment:
    return ImageAssessment(
        image=e.record.image,
        file=str(e.record.path),
        sha256=e.sha256,
        width=e.width,
        height=e.height,
        findings=e.findings,
        p_diagnosis=dict(zip(DIAGNOSES, p, strict=True)) if p else {},
        measurements=_named(e.look) if p and e.look else {},
        outline=e.look.outline if p and e.look else None,
        attention=_grid(e.look) if p and e.look else (),
    )


def _grid(look: Look) -> tuple[tuple[float, ...], ...]:
    return () if look.attention is None else tuple(tuple(row) for row in look.attention.tolist())


def _named(look: Look) -> dict[str, float]:
    """Measurements by name; nothing where no lesion was found."""
    if look.outline is None:
        return {}
    return {name: value for (name, _, _), value in zip(MEASUREMENTS, look.measurements.tolist(), strict=True)}


def _unassessed(lesion: _Lesion) -> LesionAssessment:
    images = tuple(
        ImageAssessment(e.record.image, str(e.record.path), e.sha256, e.width, e.height, e.findings, {})
        for e in lesion.images
    )
    reason = "cannot be assessed: " + "; ".join(dict.fromkeys(image.reason for image in images))
    nan = float("nan")
    return LesionAssessment(
        lesion.lesion_id, lesion.site, images, nan, {}, nan, nan, None, None, None, None, None, (), False, reason
    )
