"""What only a whole batch can show: a lesion on two patients, one patient of two sexes, an image named twice."""

from __future__ import annotations

from collections.abc import Sequence

from cygnet.schema.records import ImageRecord


def batch_problems(records: Sequence[ImageRecord], *, facts: bool = True) -> list[str]:
    """Contradictions between records, each naming both places and the fix; empty when there is none.

    Without ``facts`` only files and names are looked at, not what is said of patients.
    """
    named = [*_same_file(records), *_same_name(records)]
    return [*named, *_lesion_on_two(records), *_two_sexes(records)] if facts else named


def _same_file(records: Sequence[ImageRecord]) -> list[str]:
    first: dict[str, ImageRecord] = {}
    problems = []
    for record in records:
        earlier = first.setdefault(str(record.path), record)
        if earlier is not record:
            problems.append(
                f"{record.origin}: {record.path.name} is named twice, first in {earlier.origin}; remove one of them"
            )
    return problems


def _same_name(records: Sequence[ImageRecord]) -> list[str]:
    first: dict[tuple[str, str], ImageRecord] = {}
    problems = []
    for record in records:
        earlier = first.setdefault((record.patient_id, record.image), record)
        if earlier is not record and earlier.path != record.path:
            problems.append(
                f"{record.origin}: patient {record.patient_id} has two images called {record.image}"
                f" ({earlier.path.name} and {record.path.name}); rename one"
            )
    return problems


def _lesion_on_two(records: Sequence[ImageRecord]) -> list[str]:
    owner: dict[str, ImageRecord] = {}
    problems = []
    for record in records:
        if record.lesion_id is None:
            continue
        earlier = owner.setdefault(record.lesion_id, record)
        if earlier.patient_id != record.patient_id:
            problems.append(
                f"{record.origin}: lesion {record.lesion_id} belongs to patient {record.patient_id} here and to "
                f"{earlier.patient_id} in {earlier.origin}; a lesion has one patient"
            )
    return problems


def _two_sexes(records: Sequence[ImageRecord]) -> list[str]:
    known: dict[str, ImageRecord] = {}
    problems = []
    for record in records:
        if record.sex is None:
            continue
        earlier = known.setdefault(record.patient_id, record)
        if earlier.sex != record.sex:
            problems.append(
                f"{record.origin}: patient {record.patient_id} is {record.sex} here and {earlier.sex} in "
                f"{earlier.origin}; is this patient_id used for two people?"
            )
    return problems
