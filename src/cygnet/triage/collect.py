"""What the user points at, as image records: folders, image files, tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cygnet.errors import InputError
from cygnet.schema import ImageRecord, batch_problems, is_missing, match_columns, read_values, suggest_image_column

if TYPE_CHECKING:
    import polars as pl

READABLE: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
#: Listed as not assessable rather than passed over in silence.
_UNREADABLE: Final = (".heic", ".heif", ".gif", ".dcm", ".raw", ".cr2", ".nef", ".avif")
_TABLES: Final = (".csv", ".parquet", ".tsv")
_MANIFESTS: Final = ("manifest.csv", "metadata.csv", "manifest.parquet")
_SHOWN: Final = 5


def collect(
    paths: Sequence[str | os.PathLike[str]], *, images: str | os.PathLike[str] | None = None, facts: bool = True
) -> list[ImageRecord]:
    """The images named by ``paths``, grouped by patient in the order first met.

    A folder is one patient, each folder below it another; a folder with a manifest.csv is read through it. Image files
    given directly are one patient together. A CSV, TSV or Parquet table names its images, which lie in ``images`` or
    beside it. Without ``facts`` a table's ages, sexes, sites and days are neither read nor held against each other, for work
    that takes image by image and needs no patients.

    Raises
    ------
    InputError
        Naming the path, row or column and the fix.
    """
    if not paths:
        raise InputError("nothing to rank; name a folder of images, image files, or a table")
    records: list[ImageRecord] = []
    loose: list[Path] = []
    for given in map(Path, paths):
        try:
            if not given.exists():
                raise InputError(f"{given}: no such file or folder; check the path")
            if given.is_dir():
                records.extend(_from_folder(given, images, facts=facts))
            elif given.suffix.lower() in _TABLES:
                records.extend(_from_table_file(given, images, facts=facts))
            else:
                loose.append(given)
        except PermissionError as error:
            place = error.filename or given
            raise InputError(
                f"{place}: no permission to read this folder; change its permissions or choose another"
            ) from error
    records.extend(_patient("patient", loose, "the command line"))
    return _checked(records, facts=facts)


def collect_table(table: pl.DataFrame, *, images: str | os.PathLike[str] | None = None) -> list[ImageRecord]:
    """The images named by the rows of a data frame; paths are relative to ``images`` or the working directory."""
    return _checked(_from_rows(table, "table", Path(images or ".")))


def by_patient(records: Iterable[ImageRecord]) -> list[list[ImageRecord]]:
    """Records grouped by patient_id, patients in the order first met."""
    groups: dict[str, list[ImageRecord]] = {}
    for record in records:
        groups.setdefault(record.patient_id, []).append(record)
    return list(groups.values())


def _checked(records: list[ImageRecord], *, facts: bool = True) -> list[ImageRecord]:
    refuse(batch_problems(records, facts=facts))
    return [record for group in by_patient(records) for record in group]


def refuse(problems: Sequence[str]) -> None:
    """Raise one InputError that counts the problems and shows the first five; nothing when there is none."""
    if problems:
        more = f"\n(and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        head = "" if len(problems) == 1 else f"{len(problems)} problems:\n"
        raise InputError(head + "\n".join(problems[:_SHOWN]) + more)


def _from_folder(folder: Path, images: str | os.PathLike[str] | None, *, facts: bool) -> list[ImageRecord]:
    manifest = next((folder / name for name in _MANIFESTS if (folder / name).is_file()), None)
    if manifest:
        return _from_table_file(manifest, images, facts=facts)
    records: list[ImageRecord] = []
    owner: dict[str, Path] = {}
    for place, files in _folders(folder):
        name = place.name if place != folder else folder.resolve().name or "patient"
        if name in owner:
            raise InputError(
                f"{place}: a second folder for patient {name!r}, after {owner[name]}; rename one, or put both sets of "
                "images into one folder"
            )
        owner[name] = place
        records.extend(_patient(name, files, str(place)))
    if not records:
        raise InputError(f"{folder}: no images here; Cygnet reads {', '.join(e[1:] for e in READABLE)} files")
    return records


def _folders(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder below and including ``folder`` that holds images, with its images sorted by name."""
    entries = sorted(os.scandir(folder), key=lambda e: e.name)
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    files = [Path(e.path) for e in shown if not e.is_dir() and e.name.lower().endswith(READABLE + _UNREADABLE)]
    if files:
        yield folder, files
    for entry in shown:
        if entry.is_dir(follow_symlinks=False):
            yield from _folders(Path(entry.path))


def _patient(patient_id: str, files: Sequence[Path], origin: str) -> list[ImageRecord]:
    stems = [f.stem for f in files]
    return [
        ImageRecord(f.stem if stems.count(f.stem) == 1 else f.name, f, patient_id, origin=f"{origin}") for f in files
    ]


def _from_table_file(path: Path, images: str | os.PathLike[str] | None, *, facts: bool) -> list[ImageRecord]:
    from cygnet.schema.tables import read_frame

    table = read_frame(path)
    base = Path(images) if images is not None else path.parent
    if not base.is_dir():
        raise InputError(f"{base}: no such folder; --images names the folder that holds the images")
    return _from_rows(table, path.name, base, facts=facts)


def _from_rows(table: pl.DataFrame, name: str, base: Path, *, facts: bool = True) -> list[ImageRecord]:
    columns = match_columns(table.columns)
    if "image" not in columns:
        raise InputError(f"{name}: {suggest_image_column(table.columns)}")
    if not table.height:
        raise InputError(f"{name}: the table has no rows; add one row per image")
    found = _Finder(base)
    records: list[ImageRecord] = []
    problems: list[str] = []
    for number, row in enumerate(table.iter_rows(named=True), start=2):
        origin = f"{name} row {number}"
        if is_missing(row[columns["image"]]):
            problems.append(f"{origin}: no image named in column {columns['image']}; fill it in or remove the row")
            continue
        values, wrong = read_values(row, columns) if facts else ({}, [])
        problems.extend(f"{origin}, {problem}" for problem in wrong)
        records.append(_record(row, columns, values, origin, found))
    refuse(problems)
    if not any(os.path.isfile(record.path) for record in records):  # noqa: PTH113
        raise InputError(
            f"{name}: none of its {len(records)} images is in {base} (first: {records[0].path.name}); "
            "name their folder with --images"
        )
    return records


def _record(
    row: dict[str, Any], columns: dict[str, str], values: dict[str, Any], origin: str, found: _Finder
) -> ImageRecord:
    image = str(row[columns["image"]]).strip()
    file = row[columns["file"]] if "file" in columns else None
    path = found(image if is_missing(file) else str(file).strip())
    patient = row[columns["patient_id"]] if "patient_id" in columns else None
    lesion = row[columns["lesion_id"]] if "lesion_id" in columns else None
    stem = Path(image).stem if Path(image).suffix.lower() in READABLE else image
    return ImageRecord(
        image=stem,
        path=path,
        patient_id="patient" if is_missing(patient) else str(patient).strip(),
        lesion_id=None if is_missing(lesion) else str(lesion).strip(),
        origin=origin,
        **values,
    )


class _Finder:
    """Finds the file that a table means: as written, in ``images/``, or by its name without extension."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._folders = [folder for folder in (base, base / "images") if folder.is_dir()]
        self._by_stem: dict[str, Path] | None = None

    def __call__(self, name: str) -> Path:
        direct = self._base / name
        if Path(name).suffix.lower() in READABLE + _UNREADABLE:
            others = (folder / Path(name).name for folder in self._folders)
            return next((p for p in (direct, *others) if os.path.isfile(p)), direct)  # noqa: PTH113 - False, not an error, for names no file can have
        if self._by_stem is None:
            self._by_stem = {
                Path(entry.name).stem: Path(entry.path)
                for folder in reversed(self._folders)
                for entry in os.scandir(folder)
                if entry.name.lower().endswith(READABLE)
            }
        return self._by_stem.get(name, direct)
