"""The files of an export, in the layouts that people ask for. Each yields names and contents, one image in memory at a time."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from cygnet.archive.blobs import Blobs, checked
from cygnet.archive.exports.rows import Row
from cygnet.archive.exports.targets import File
from cygnet.archive.exports.texts import COLUMNS, attribution_text, csv_line, licence_files
from cygnet.archive.fields import BY_NAME
from cygnet.errors import OutputError
from cygnet.schema.labels import to_label, to_target
from cygnet.schema.sites import general_site

#: The columns of the training table of the SIIM-ISIC challenge 2020.
KAGGLE: Final = (
    "image_name",
    "patient_id",
    "sex",
    "age_approx",
    "anatom_site_general_challenge",
    "diagnosis",
    "benign_malignant",
    "target",
)
_TORSO: Final = ("anterior torso", "posterior torso", "lateral torso")


def isic_layout(rows: Iterable[Row], blobs: Blobs, *, images: bool = True) -> Iterator[File]:
    """images/, metadata.csv, attribution.txt and licenses/, as the ISIC Archive hands out."""
    yield from _with_texts(rows, blobs, "metadata.csv", COLUMNS, lambda row: row, "images" if images else None)


def kaggle_layout(rows: Iterable[Row], blobs: Blobs) -> Iterator[File]:
    """train/ and train.csv as in the SIIM-ISIC challenge 2020, with attribution and licences beside them."""
    yield from _with_texts(rows, blobs, "train.csv", KAGGLE, kaggle_row, "train")


def dicom_layout(rows: Iterable[Row], blobs: Blobs) -> Iterator[File]:
    """dicom/ with a file per image (DICOM Supplement 221), with metadata, attribution and licences beside them."""
    from cygnet.archive.exports.dicom import dicom_file

    def image(row: Row) -> File:
        return f"dicom/{row['isic_id']}.dcm", dicom_file(row, _view(row, blobs))

    yield from _with_texts(rows, blobs, "metadata.csv", COLUMNS, lambda row: row, None, image)


def kaggle_row(row: Row) -> Row:
    """One image in the terms of 2020."""
    levels = [row.get(f"diagnosis_{k}") for k in range(1, 6)]
    path = ":".join(level for level in levels if level)
    sites = ":".join(level for k in range(1, 6) if (level := row.get(f"anatom_site_{k}")))
    site = general_site(sites or None, row.get("anatom_site_special"))
    target = to_target(path, "2020") if path else None
    return {
        "image_name": row["isic_id"],
        "patient_id": row.get("patient_id"),
        "sex": row.get("sex"),
        "age_approx": row.get("age_approx"),
        "anatom_site_general_challenge": "torso" if site in _TORSO else site,
        "diagnosis": (to_label(path, "2020") if path else None) or "unknown",
        "benign_malignant": None if target is None else ("malignant" if target else "benign"),
        "target": target,
    }


def _with_texts(
    rows: Iterable[Row],
    blobs: Blobs,
    table: str,
    columns: tuple[str, ...],
    shown: Callable[[Row], Row],
    folder: str | None,
    image: Callable[[Row], File] | None = None,
) -> Iterator[File]:
    lines = [csv_line(columns)]
    credits: Counter[str] = Counter()
    codes: set[str] = set()
    for row in rows:
        if image is not None:
            yield image(row)
        elif folder is not None:
            yield f"{folder}/{row['isic_id']}.jpg", _view(row, blobs)
        values = shown(row)
        lines.append(csv_line(values.get(name) for name in columns))
        credits[row["attribution"]] += 1
        codes.add(row["copyright_license"])
    yield table, "".join(lines).encode()
    yield "attribution.txt", attribution_text(credits).encode()
    for name, text in licence_files(codes).items():
        yield name, text.encode()


def _view(row: Row, blobs: Blobs) -> bytes:
    return checked(blobs, row["view_sha256"])


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """All metadata in one Parquet file, whole or not at all; returns the number of rows."""
    import polars as pl

    from cygnet.archive.chunks import chunks

    kinds = {"text": pl.String, "bool": pl.Boolean}
    schema: dict[str, Any] = {}
    for name in COLUMNS:
        field = BY_NAME[name]
        schema[name] = kinds.get(field.kind, pl.Int64 if field.whole else pl.Float64)
    frames = [
        pl.DataFrame({name: [row.get(name) for row in some] for name in COLUMNS}, schema)
        for some in chunks(rows, 10_000)
    ]
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    beside = path.with_name(f".{path.name}.part")
    try:
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        beside.write_bytes(buffer.getvalue())
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    finally:
        beside.unlink(missing_ok=True)
    return frame.height
