"""Embeddings of any number of images as one Parquet file, with memory that does not grow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from cygnet.errors import InputError, OutputError
from cygnet.models import ModelFiles
from cygnet.triage.features import Seen, SeenJournal

if TYPE_CHECKING:
    import polars as pl

#: Images per row group.
ROWS: Final = 2048


def schema(width: int, *, half: bool = False) -> pl.Schema:
    """Columns of an embedding table: image, patient_id, lesion_id (may be null), model, model_sha256, embedding.

    ``embedding`` is an array of ``width`` float32, or float16 if ``half``.

    Raises
    ------
    InputError
        If ``half`` is asked of a polars that has no float16.
    """
    import polars as pl

    number = getattr(pl, "Float16", None) if half else pl.Float32
    if number is None:
        raise InputError(f"--float16: polars {pl.__version__} has no such numbers; update polars, or leave it out")
    texts = ("image", "patient_id", "lesion_id", "model", "model_sha256")
    return pl.Schema([*((name, pl.String()) for name in texts), ("embedding", pl.Array(number, width))])


def frame(seen: Sequence[Seen], model: ModelFiles, columns: pl.Schema) -> pl.DataFrame:
    """The rows of images that could be read."""
    import polars as pl

    good = [one for one in seen if one.values is not None]
    width = columns["embedding"].shape[0]  # type: ignore[attr-defined]
    values = np.array([one.values for one in good], np.float32).reshape(len(good), width)
    return pl.DataFrame(
        {
            "image": [one.record.image for one in good],
            "patient_id": [one.record.patient_id for one in good],
            "lesion_id": [one.record.lesion_id for one in good],
            "model": [model.name] * len(good),
            "model_sha256": [model.sha256] * len(good),
            "embedding": pl.Series(values, dtype=pl.Array(pl.Float32, width)),
        },
        schema_overrides={name: kind for name, kind in columns.items() if name != "embedding"},
    ).cast({"embedding": columns["embedding"]})


def write(out: Path, journal: SeenJournal, images: int, model: ModelFiles, columns: pl.Schema) -> None:
    """Write what the journal of a finished run over ``images`` images holds to ``out``, one row group in memory at a time.

    Raises
    ------
    OutputError
        If the disk is full or the place unwritable; ``out`` then is as it was.
    """
    from polars.exceptions import ComputeError
    from polars.io.plugins import register_io_source

    def source(
        wanted: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        for start in range(0, images, ROWS):
            yield frame(journal.stretch(start, start + ROWS), model, columns)

    part = out.with_name(f".{out.name}.part")
    try:
        lazy = register_io_source(source, schema=columns)
        lazy.sink_parquet(part, row_group_size=ROWS, compression_level=1, engine="streaming")
        os.replace(part, out)
    except (OSError, ComputeError) as error:
        raise OutputError(
            f"{out}: cannot be written ({error}); free some space, then run again with --resume"
        ) from error
    finally:
        part.unlink(missing_ok=True)
