"""Labelled images of several sources, mapped onto one diagnosis vocabulary with partial labels.

A source tells only what it tells: ISIC 2017 knows three diagnoses, ISIC 2020 often says no more than "benign". Each row
therefore carries two sets of diagnoses: those its label allows (``targets``) and those its source could have said at all
(``known``). The loss compares the first with the second, so a source without basal cell carcinomas never pushes that
diagnosis down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES
from cygnet.schema.suggest import did_you_mean, nearest

Split = Literal["train", "calibration", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "calibration", "test")

_ALL = frozenset(DIAGNOSES)
_BENIGN = frozenset({"bkl", "df", "nv", "vasc"})
_LABELS_2017 = {"melanoma": "mel", "nevus": "nv", "seborrheic_keratosis": "bkl"}
_LABELS_2020 = {
    "melanoma": "mel",
    "nevus": "nv",
    "seborrheic keratosis": "bkl",
    "lentigo NOS": "bkl",
    "lichenoid keratosis": "bkl",
    "solar lentigo": "bkl",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image.

    ``path`` is the file; ``sharp_path`` another rendering of the same image (HAM10000 at 224 px), if there is one.
    ``targets`` is a subset of ``known``. ``group`` is what must not be divided between splits (lesion or patient).
    ``votes`` is how many human readers chose each diagnosis, in the order of ``DIAGNOSES``; empty where none did. ``lesion`` is
    what photographs of one lesion share, "" where the source does not say.
    """

    image_id: str
    path: Path
    sharp_path: Path | None
    source: str
    group: str
    stratum: str
    targets: frozenset[str]
    known: frozenset[str]
    melanoma: bool
    split: Split
    votes: tuple[int, ...] = ()
    lesion: str = ""


def split_of(group: str, fold: int = 0) -> Split:
    """The split of a group: 20 % test, 5 % calibration, the rest training.

    A hash of the group's name decides, so that it stays the same on every machine, in any order, and when data is added. Each
    of the five folds, 0 to 4, has another fifth for its test split.
    """
    bucket = (_number(group) - 20 * fold) % 100
    return "test" if bucket < 20 else "calibration" if bucket < 25 else "train"


def _number(group: str) -> int:
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``of`` equal parts, numbered from 1, into which a hash divides the groups of every split alike."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Part:
        """From text such as "1/3", the first of three.

        Raises
        ------
        InputError
            If it is none.
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) and int(of) >= 2):
            raise InputError(f"{text}: no part; 1/3, 2/3 and 3/3 are the parts of three")
        return cls(int(number), int(of))

    def holds(self, group: str) -> bool:
        """Whether a group (``Sample.group``) is in it."""
        return _number(group) // 100 % self.of == self.number - 1  # the last two digits choose the split


def read_sources(data: Path) -> list[Sample]:
    """All samples of the sources found under ``data`` (folders ham10000, isic2017, isic2020), sorted by source and id.

    ``data/tables/ham10000_readers_all.csv``, if it is there, adds the readers' votes on HAM10000.

    Raises
    ------
    InputError
        If no source is there, or (a ``TableError``) listed images are missing.
    """
    votes = _votes(data / "tables" / "ham10000_readers_all.csv")
    samples = [
        replace(sample, votes=votes.get(sample.image_id, ()))
        for name, parse in _PARSERS.items()
        for row in _manifest(data / name)
        if (sample := parse(data / name, row)) is not None
    ]
    if not samples:
        raise InputError(f"{data}: no training source here; expected a folder {', '.join(_PARSERS)} with manifest.csv")
    refuse_missing(samples)
    return sorted(samples, key=lambda s: (s.source, s.image_id))


def in_fold(
    samples: Iterable[Sample], fold: int, hold_out: Collection[str] = (), without: Part | None = None
) -> list[Sample]:
    """The samples as fold 0 to 4 divides them; in its test split are also all images of the sources ``hold_out``, and the part
    ``without`` of what would be trained on.

    Raises
    ------
    InputError
        If there are no images of such a source, or no others.
    """
    found = list(samples)
    there = {s.source for s in found}
    if unknown := [name for name in hold_out if name not in there]:
        near = did_you_mean(nearest(unknown[0], there))
        raise InputError(f"{unknown[0]}: no such source to hold out; {near or 'there are ' + ', '.join(sorted(there))}")
    if there <= set(hold_out):
        raise InputError(f"nothing is left to train on if {', '.join(sorted(there))} are held out; leave one of them")
    divided = [
        replace(s, split="test" if s.source in hold_out else split_of(s.group, fold) if fold else s.split)
        for s in found
    ]
    if without is None:
        return divided
    return [replace(s, split="test") if s.split == "train" and without.holds(s.group) else s for s in divided]


def refuse_missing(samples: Iterable[Sample]) -> None:
    """Refuse samples whose files are not there, all of them at once.

    Raises
    ------
    TableError
        Naming them.
    """
    files = [path for s in samples for path in (s.path, s.sharp_path) if path is not None]
    if missing := [path for path in files if not path.is_file()]:
        raise TableError(
            [
                f"{path}: listed in its manifest.csv but not there; restore the file or remove the row"
                for path in missing
            ]
        )


def _manifest(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / "manifest.csv"
    if not path.is_file():
        return iter(())
    return pl.read_csv(path, infer_schema_length=None).iter_rows(named=True)


def _votes(path: Path) -> dict[str, tuple[int, ...]]:
    """Readers' votes by image (Tschandl et al. 2020)."""
    if not path.is_file():
        return {}
    table = pl.read_csv(path, infer_schema_length=None)
    columns = [d.upper() for d in DIAGNOSES]
    if missing := {"isic_id", *columns} - set(table.columns):
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}; restore the file or remove it")
    return {row[0]: tuple(int(v) for v in row[1:]) for row in table.select("isic_id", *columns).iter_rows()}


def _ham10000(folder: Path, row: dict[str, Any]) -> Sample:
    dx = row["dx"]
    if dx not in _ALL:
        raise InputError(f"{folder / 'manifest.csv'}: unknown dx {dx!r} for {row['isic_id']}; known: {sorted(_ALL)}")
    sharp = folder / row["file_224"] if row["file_224"] else None
    return _sample("ham10000", folder, row, row["lesion_id"], frozenset({dx}), _ALL, sharp)


def _isic2017(folder: Path, row: dict[str, Any]) -> Sample:
    if row["label"] not in _LABELS_2017:
        known = ", ".join(_LABELS_2017)
        raise InputError(
            f"{folder / 'manifest.csv'}: unknown label {row['label']!r} for {row['isic_id']}; known: {known}"
        )
    return _sample(
        "isic2017",
        folder,
        row,
        row["isic_id"],
        frozenset({_LABELS_2017[row["label"]]}),
        frozenset(_LABELS_2017.values()),
        None,
    )


def _isic2020(folder: Path, row: dict[str, Any]) -> Sample:
    label = _LABELS_2020.get(row["diagnosis"])
    targets = frozenset({label}) if label else _BENIGN
    return _sample("isic2020", folder, row, row["patient_id"], targets, _BENIGN | {"mel"}, None)


def _sample(
    source: str,
    folder: Path,
    row: dict[str, Any],
    group: str,
    targets: frozenset[str],
    known: frozenset[str],
    sharp: Path | None,
) -> Sample:
    name = f"{source}:{group}"
    return Sample(
        image_id=row["isic_id"],
        path=folder / row["file"],
        sharp_path=sharp,
        source=source,
        group=name,
        stratum="+".join(sorted(targets)),
        targets=targets,
        known=known,
        melanoma=targets == {"mel"},
        split=split_of(name),
        lesion=name if source == "ham10000" else "",
    )


_PARSERS: dict[str, Callable[[Path, dict[str, Any]], Sample]] = {
    "ham10000": _ham10000,
    "isic2017": _isic2017,
    "isic2020": _isic2020,
}
