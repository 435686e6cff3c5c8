"""Labelled images of any set, as its organisers publish it: tables and a folder of images, described in a configuration.

Labels become Cygnet's diagnoses by the crosswalks of ``cygnet.schema.labels``. A label teaches no more than it says: "benign"
alone is any of the benign diagnoses, and a diagnosis that a set has no word for is never pushed down by it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import polars as pl

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES, is_missing, match_columns
from cygnet.schema.columns import BINARY, METADATA
from cygnet.schema.labels import CHALLENGES, ONE_HOT, Label, find_diagnosis, from_one_hot, from_target, one_hot
from cygnet.schema.suggest import did_you_mean, nearest
from cygnet.schema.tables import read_frame
from cygnet.schema.vocabulary import vocabulary, within
from cygnet.training.sources import SPLITS, Sample, Split, split_of

#: Where labels are names or paths of ISIC's diagnoses rather than those of a challenge.
ISIC: Final = "isic"
CROSSWALKS: Final = (*CHALLENGES, ISIC)
_IMAGES: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
_TARGETS: Final = ("2016", "2020", "2024")
_KEY: Final = "image of the second table"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """One set of labelled images. Paths are relative to the training data's folder.

    ``name`` stands for it in the log; ``csv`` is the table with the labels, ``metadata`` another one with more columns of the same
    images; ``images`` the folder of the images, by default the table's. ``labels`` is whose words the labels are, one of
    ``CROSSWALKS``. Columns are found by their usual names unless they are given: ``image``, ``label`` (for challenges with a
    column a diagnosis those columns), ``target`` (0 or 1, where ``label`` says nothing certain), ``group``, what must not be divided
    between splits (by default the patient, else the lesion, else the image), ``lesion``. ``split`` is a column with train,
    calibration or test; without it a hash of the group decides. ``share`` is the share of the draws, relative to other sources.
    ``known`` are the diagnoses that the source could have said, by default those that its labels can say.
    """

    name: str
    csv: str
    labels: str
    images: str = ""
    metadata: str = ""
    image: str = ""
    label: str = ""
    target: str = ""
    group: str = ""
    lesion: str = ""
    split: str = ""
    share: float = 1.0
    known: tuple[str, ...] = ()

    LIMITS: ClassVar[Mapping[str, tuple[float, float]]] = {"share": (0, math.inf)}
    CHOICES: ClassVar[Mapping[str, Sequence[str]]] = {"labels": CROSSWALKS, "known": DIAGNOSES}


def targets(label: Label | str | None) -> frozenset[str]:
    """The diagnoses of Cygnet that a label, or a path in ISIC's tree, allows; empty where it teaches nothing.

    One of the seven is itself. A wider node allows those of the seven that lie in it whole. Anything else benign allows all benign
    ones, since that much is certain; a rarer malignant or indeterminate lesion is none of the seven and teaches nothing.
    """
    if isinstance(label, Label):
        return frozenset({label.seven}) if label.seven else targets(label.diagnosis)
    if label is None:
        return frozenset()
    covers = {d: CHALLENGES["ham10000"][d].covers for d in DIAGNOSES}
    exact = [(max(map(len, c)), d) for d, c in covers.items() if any(within(label, node) for node in c)]
    if exact:
        return frozenset({max(exact)[1]})
    inside = frozenset(d for d, c in covers.items() if all(within(node, label) for node in c))
    return inside if inside or not within(label, "Benign") else targets("Benign")


def knowable(labels: str) -> frozenset[str]:
    """The diagnoses that the labels of a challenge can tell apart from others, all that its words or targets may allow."""
    said = [*CHALLENGES[labels].values(), *([Label("Benign")] if labels in _TARGETS else [])]
    return frozenset().union(*(targets(label) for label in said))


def read_tables(data: Path, sources: Sequence[Source]) -> list[Sample]:
    """The samples of all sources, sorted by source and image; images whose label teaches nothing are left out.

    Raises
    ------
    TableError
        With everything that is wrong: missing files and folders, unknown labels, columns and splits, a group in two splits.
    """
    names = [source.name for source in sources]
    problems = [
        f"two sources are named {name}; rename one" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    samples: list[Sample] = []
    for source in sources:
        try:
            samples.extend(_Reader(data, source, problems).samples())
        except InputError as error:
            problems.append(f"source {source.name}: {error}")
    problems.extend(divided(samples))
    if problems:
        raise TableError(
            problems, "Nothing was trained; mend the tables or the folder, or the description of the source."
        )
    return sorted(samples, key=lambda s: (s.source, s.image_id))


def divided(samples: Sequence[Sample]) -> Iterator[str]:
    """What is wrong with lesions and patients that are in two splits."""
    split: dict[str, Sample] = {}
    told: set[str] = set()
    for sample in samples:
        first = split.setdefault(sample.group, sample)
        if first.split != sample.split and sample.group not in told:
            told.add(sample.group)
            yield (
                f"{sample.group} is in {first.split} ({first.image_id}) and in {sample.split} ({sample.image_id}); a lesion or "
                "patient must be in one split"
            )


class _Reader:
    """Reads one source; what is wrong with single rows goes to ``problems``."""

    def __init__(self, data: Path, source: Source, problems: list[str]) -> None:
        self.source, self._problems = source, problems
        self._path = data / source.csv
        self._table = _joined(self._path, data / source.metadata if source.metadata else None, source)
        folder = data / source.images if source.images else self._path.parent
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; images = ... names the one with the images")
        self._folder = folder
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.lower().endswith(_IMAGES))
        self._files = {**{Path(name).stem: name for name in reversed(names)}, **{name: name for name in names}}
        found = match_columns(self._table.columns, METADATA)
        self._columns = {
            field: self._column(getattr(source, field, ""), found.get(field))
            for field in ("image", "patient_id", "lesion_id")
        }
        self._columns["group"] = self._column(source.group)
        self._columns["lesion"] = self._column(source.lesion, self._columns.pop("lesion_id"))
        self._columns["split"] = self._column(source.split)
        if not self._columns["image"]:
            raise InputError(f"{self._path}: no column names the images; say which with image = ...")
        self._hot = self._one_hot()
        self._columns["label"] = self._column(source.label, None if self._hot else found.get("diagnosis"))
        target = next((c for name in BINARY for c in self._table.columns if c.lower() == name), None)
        self._columns["target"] = self._column(source.target, target if source.labels in _TARGETS else None)
        if not (self._hot or self._columns["label"] or self._columns["target"]):
            raise InputError(f"{self._path}: no column with labels; say which with label = ... or target = ...")

    def samples(self) -> Iterator[Sample]:
        """The samples, in the table's order; a problem for every row that cannot be used."""
        spoken: set[str] = set()
        rows: list[tuple[str, Path, Row, frozenset[str]]] = []
        for number, row in enumerate(self._table.iter_rows(named=True), start=2):
            image = str(row[self._columns["image"] or ""] or "").strip()
            try:
                allowed = self._targets(row)
            except ValueError as error:
                self._problems.append(f"{self._path.name} row {number} ({image}): {error}")
                continue
            file = self._files.get(image)
            if file is None:
                self._problems.append(
                    f"{self._folder / image}: listed in {self._path.name} row {number} but not there; restore it"
                )
            elif allowed:
                rows.append((image, self._folder / file, row, allowed))
                spoken |= allowed
        known = self._known(frozenset(spoken))
        for image, path, cells, allowed in rows:
            yield self._sample(image, path, cells, allowed & known or allowed, known | allowed)

    def _sample(self, image: str, path: Path, row: Row, allowed: frozenset[str], known: frozenset[str]) -> Sample:
        of = {field: self._text(row, field) for field in ("group", "patient_id", "lesion", "split")}
        group = f"{self.source.name}:{of['group'] or of['patient_id'] or of['lesion'] or image}"
        said = of["split"].lower()
        if self._columns["split"] and said not in SPLITS:
            self._problems.append(f"{self._path.name}, {image}: split {said!r}; it must be {', '.join(SPLITS)}")
            said = ""
        return Sample(
            image_id=image,
            path=path,
            sharp_path=None,
            source=self.source.name,
            group=group,
            stratum="+".join(sorted(allowed)),
            targets=allowed,
            known=known,
            melanoma=allowed == {"mel"},
            split=cast(Split, said) if said else split_of(group),
            lesion=f"{self.source.name}:{of['lesion']}" if of["lesion"] else "",
        )

    def _known(self, spoken: frozenset[str]) -> frozenset[str]:
        if self.source.known:
            return frozenset(self.source.known)
        return spoken if self.source.labels == ISIC else knowable(self.source.labels)

    def _targets(self, row: Row) -> frozenset[str]:
        """What a row's label allows.

        Raises
        ------
        ValueError
            If the label is unknown.
        """
        if self._hot:
            values = {label: float(row[column] or 0) for label, column in self._hot.items()}
            year = self.source.labels
            return targets(CHALLENGES[year][from_one_hot(values, year)])
        found = frozenset[str]()
        if text := self._text(row, "label"):
            found = targets(self._named(text))
        if not found and (said := self._text(row, "target")):
            found = targets(from_target(_target(said), self.source.labels))
        return found

    def _named(self, text: str) -> Label | str | None:
        if self.source.labels == ISIC:
            made = find_diagnosis(text)
            if made is None:
                near = did_you_mean(vocabulary().diagnoses.suggest(text))
                raise ValueError(
                    f"{text!r} is no diagnosis of ISIC's tree; {near or 'see cygnet metadata values diagnosis'}"
                )
            return made.label or made.path
        words = {word.casefold(): label for word, label in CHALLENGES[self.source.labels].items()}
        if text.casefold() not in words:
            near = did_you_mean(nearest(text, CHALLENGES[self.source.labels]))
            every = ", ".join(CHALLENGES[self.source.labels])
            raise ValueError(f"{text!r} is no label of {self.source.labels}; {near or f'there are {every}'}")
        return words[text.casefold()]

    def _one_hot(self) -> dict[str, str]:
        if self.source.label or self.source.labels not in ONE_HOT:
            return {}
        columns = {column.strip().lower(): column for column in self._table.columns}
        wanted = {name: columns.get(name.lower()) for name in ONE_HOT[self.source.labels] if name != "UNK"}
        if all(wanted.values()):
            unknown = {"UNK": columns["unk"]} if self.source.labels == "2019" and "unk" in columns else {}
            return {name: column for name, column in {**wanted, **unknown}.items() if column}
        if (other := one_hot(self._table.columns)) is not None:
            raise InputError(f"{self._path}: its columns are those of {other[0]}; let labels = {other[0]!r}")
        return {}

    def _column(self, wanted: str, usual: str | None = None) -> str | None:
        if not wanted:
            return usual
        if wanted not in self._table.columns:
            near = did_you_mean(nearest(wanted, self._table.columns))
            raise InputError(
                f"{self._path}: no column {wanted!r}; {near or 'there are ' + ', '.join(self._table.columns)}"
            )
        return wanted

    def _text(self, row: Row, field: str) -> str:
        column = self._columns[field]
        return "" if column is None or is_missing(row[column]) else str(row[column]).strip()


def _target(text: str) -> float:
    words = {"benign": 0.0, "malignant": 1.0}
    try:
        return words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        raise ValueError(f"target {text!r} is neither 0 nor 1, benign nor malignant") from None


def _joined(path: Path, metadata: Path | None, source: Source) -> pl.DataFrame:
    """The table, with the columns of the second one that it lacks."""
    for file in (path, metadata):
        if file is not None and not file.is_file():
            raise InputError(f"{file}: no such file; --data names the folder that it is in")
    table = read_frame(path)
    if metadata is None:
        return table
    more = read_frame(metadata)
    keys = [
        source.image if source.image in t.columns else match_columns(t.columns).get("image", "") for t in (table, more)
    ]
    if not all(keys):
        raise InputError(f"{path if not keys[0] else metadata}: no column names the images; say which with image = ...")
    new = [column for column in more.columns if column not in table.columns and column != keys[1]]
    extra = more.unique(keys[1], keep="first").select(pl.col(keys[1]).alias(_KEY), *new)
    return table.join(extra, left_on=keys[0], right_on=_KEY, how="left", maintain_order="left")


__all__ = ["CROSSWALKS", "ISIC", "Source", "divided", "knowable", "read_tables", "targets"]
