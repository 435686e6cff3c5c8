"""The rows of splits to be audited: tables and folders of images as records that know where they were named."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cygnet.errors import InputError
from cygnet.schema import is_missing, match_columns, suggest_image_column

if TYPE_CHECKING:
    import polars as pl

#: Column names by which the truth is recognised, first match wins.
LABELS: Final = ("target", "label", "benign_malignant", "malignant", "melanoma", "mel", "dx", "diagnosis")
SOURCES: Final = ("source", "dataset", "attribution", "collection")
READABLE: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
_POSITIVE: Final = {"1", "1.0", "true", "yes", "malignant", "melanoma", "mel"}
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of one split. ``image`` is its id without extension; None and an empty ``path`` mean not known.

    ``target`` is whether it is positive; ``origin`` says where it was named, for messages.
    """

    split: str
    image: str
    origin: str
    path: Path | None = None
    patient_id: str | None = None
    lesion_id: str | None = None
    target: bool | None = None
    site: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How tables are read: the folders with ``images``, the column of the truth, the one that names the split, and
    whether rows without their image are kept (``lenient``) rather than a problem."""

    images: tuple[Path, ...] = ()
    label: str | None = None
    by: str | None = None
    lenient: bool = False


def read_splits(paths: Sequence[Path], how: Reading | None = None) -> tuple[list[Entry], list[str]]:
    """The images of each path, and every problem found with its row and the fix.

    A path is a table (a split of its own, or several by the column ``how.by``) or a folder of images.

    Raises
    ------
    InputError
        Where a path or a column is missing, so that nothing could be checked.
    """
    how = how or Reading()
    for folder in how.images:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; --images names a folder that holds images")
    entries: list[Entry] = []
    problems: list[str] = []
    index = _index(how.images)
    for path, name in zip(paths, split_names(paths), strict=True):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
        manifest = path / "manifest.csv"
        if path.is_dir() and not manifest.is_file():
            found = _from_folder(path, name)
        else:
            table = read_table(manifest if path.is_dir() else path)
            files = index if how.images else _index((path if path.is_dir() else path.parent,))
            found, wrong = _from_table(
                table, name, how, files, must_exist=not how.lenient and (bool(how.images) or path.is_dir())
            )
            problems += wrong
        entries += found
    return entries, problems + repeated(entries)


def split_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each path that tells it from the others."""
    stems = [path.resolve().name if path.is_dir() else path.stem for path in paths]
    names = [s if stems.count(s) == 1 else str(p) for s, p in zip(stems, paths, strict=True)]
    if len(set(names)) < len(names):
        raise InputError(f"{max(names, key=names.count)} is given twice; name each split once")
    return names


def image_key(name: str) -> str:
    """An image id that holds across archives: no folder, no image extension, no ISIC 2019 "_downsampled"."""
    base = name.strip().replace("\\", "/").rsplit("/", 1)[-1]
    stem = re.sub(r"\.(jpe?g|png|tiff?|bmp|webp)$", "", base, flags=re.IGNORECASE)
    return stem.removesuffix("_downsampled")


def read_table(path: Path) -> pl.DataFrame:
    """A CSV, TSV or Parquet table; text columns only for CSV, so that ids keep their zeros."""
    from cygnet.schema.tables import read_frame

    table = read_frame(path)
    if not table.height:
        raise InputError(f"{path}: the table has no rows; add one row per image")
    return table


def refuse(problems: Sequence[str], where: str = "") -> None:
    """Raise one InputError that counts the problems and shows the first five; nothing when there is none."""
    if problems:
        more = f"\n(and {len(problems) - _SHOWN} more{where})" if len(problems) > _SHOWN else ""
        head = "" if len(problems) == 1 else f"{len(problems)} problems:\n"
        raise InputError(head + "\n".join(problems[:_SHOWN]) + more)


def repeated(entries: Iterable[Entry]) -> list[str]:
    """One problem for each image that its own split names again, or each lesion that has two patients in it."""
    first: dict[tuple[str, str], Entry] = {}
    owner: dict[tuple[str, str], Entry] = {}
    problems = []
    for entry in entries:
        earlier = first.setdefault((entry.split, entry.image), entry)
        if earlier is not entry:
            problems.append(f"{entry.origin}: image {entry.image} again, first in {earlier.origin}; remove one of them")
        if entry.lesion_id and entry.patient_id:
            known = owner.setdefault((entry.split, entry.lesion_id), entry)
            if known.patient_id != entry.patient_id:
                problems.append(
                    f"{entry.origin}: lesion {entry.lesion_id} belongs to patient {entry.patient_id} here and to "
                    f"{known.patient_id} in {known.origin}; a lesion has one patient"
                )
    return problems


def _index(folders: Iterable[Path]) -> dict[str, Path]:
    """Image files by id in ``folders`` and their images/ folders; the first of a name wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for place in (folder, folder / "images"):
            if place.is_dir():
                for entry in sorted(os.scandir(place), key=lambda e: e.name):
                    if entry.name.lower().endswith(READABLE):
                        found.setdefault(image_key(entry.name), Path(entry.path))
    return found


def _from_folder(folder: Path, split: str) -> list[Entry]:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in READABLE and not p.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: no images here; cygnet reads {', '.join(e[1:] for e in READABLE)} files")
    return [Entry(split, image_key(f.name), str(f), f) for f in files]


def _from_table(
    table: pl.DataFrame, name: str, how: Reading, files: Mapping[str, Path], *, must_exist: bool
) -> tuple[list[Entry], list[str]]:
    columns = match_columns(table.columns)
    if "image" not in columns:
        raise InputError(f"{name}: {suggest_image_column(table.columns)}")
    for option, column in (("--label", how.label), ("--by", how.by)):
        if column is not None and column not in table.columns:
            raise InputError(f"{name}: no column {column!r} for {option}; it has {', '.join(table.columns[:20])}")
    lower = {c.strip().lower(): c for c in table.columns}
    columns["target"] = how.label or next((lower[c] for c in LABELS if c in lower), "")
    columns["source"] = next((lower[c] for c in SOURCES if c in lower), "")
    columns["by"] = how.by or ""
    entries: list[Entry] = []
    problems: list[str] = []
    for number, row in enumerate(table.iter_rows(named=True), start=2):
        origin = f"{name} row {number}"
        entry, problem = _entry(row, columns, name, origin, files)
        if entry is None or (must_exist and entry.path is None):
            problems.append(f"{origin}: {problem}")
        if entry is not None:
            entries.append(entry)
    return entries, problems


def _entry(
    row: Mapping[str, Any], columns: Mapping[str, str], name: str, origin: str, files: Mapping[str, Path]
) -> tuple[Entry | None, str]:
    def text(field: str) -> str | None:
        value = row[columns[field]] if columns.get(field) else None
        return None if is_missing(value) else str(value).strip()

    image = text("image")
    if image is None:
        return None, f"no image named in column {columns['image']}; fill it in or remove the row"
    split = text("by") if columns["by"] else name
    if split is None:
        return None, f"no split named in column {columns['by']}; fill it in or remove the row"
    key = image_key(image)
    target = text("target")
    entry = Entry(
        split,
        key,
        origin,
        files.get(key) or files.get(image_key(text("file") or "")),
        text("patient_id"),
        text("lesion_id"),
        None if target is None else target.lower() in _POSITIVE,
        text("site"),
        text("source"),
    )
    return (
        entry,
        f"no file for image {image}; add it, name its folder with --images, or let such rows pass with --lenient",
    )


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """Images per split, splits in the order first met."""
    return dict(Counter(e.split for e in entries))
