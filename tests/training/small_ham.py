"""Simulated lesions with their masks, laid out as a small HAM10000."""

from __future__ import annotations

from pathlib import Path

from cygnet.simulate import write_patients
from cygnet.training.sources import Sample, read_sources


def small_ham(data: Path, n_patients: int, n_lesions: int) -> list[Sample]:
    """Written into ``data``, and read again as training reads it."""
    folder = write_patients(data / "ham10000", n_patients=n_patients, seed=1, n_lesions=n_lesions, size=(160, 120))
    ids = sorted(p.stem for p in (folder / "images").iterdir())
    rows = [f"{name},L{k},nv,images/{name}.jpg," for k, name in enumerate(ids)]
    (folder / "manifest.csv").write_text("isic_id,lesion_id,dx,file,file_224\n" + "\n".join(rows) + "\n")
    return read_sources(data)
