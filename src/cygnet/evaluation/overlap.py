"""What splits share by name: patients, lesions, images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from cygnet.evaluation.entries import Entry


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that two splits share.

    ``kind``: patient, lesion, image, identical pixels, near duplicate, look-alike or close embedding. ``key`` is the shared id,
    empty for pictures; ``image_a`` and ``image_b`` an example in each split, ``rows_a`` and ``rows_b`` how many images
    there carry it. ``bits``, ``correlation`` and ``cosine`` as in ``lookalikes.Pair``.
    """

    kind: str
    split_a: str
    split_b: str
    key: str
    image_a: str
    image_b: str
    rows_a: int = 1
    rows_b: int = 1
    bits: float = float("nan")
    correlation: float = float("nan")
    cosine: float = float("nan")
    stands: bool = True


def shared_ids(entries: Sequence[Entry]) -> list[Leak]:
    """Each patient, lesion and image id that occurs in two splits, once for every pair of splits.

    An image's own row names it as image; its lesion and patient are named as well, since each is a leak by itself.
    """
    leaks: list[Leak] = []
    for kind, field in (("patient", "patient_id"), ("lesion", "lesion_id"), ("image", "image")):
        where: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
        for entry in entries:
            if (key := getattr(entry, field)) is not None:
                where[key][entry.split].append(entry)
        for key, splits in where.items():
            for (a, in_a), (b, in_b) in combinations(splits.items(), 2):
                leaks.append(Leak(kind, a, b, key, in_a[0].image, in_b[0].image, len(in_a), len(in_b)))
    return leaks
