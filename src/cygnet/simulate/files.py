"""Simulated patients as a folder of images, masks and tables, written whole or not at all."""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from cygnet.errors import InputError, OutputError
from cygnet.simulate.patient import check, simulate_patient
from cygnet.simulate.records import NOTICE, SimulatedLesion, SimulatedPatient

if TYPE_CHECKING:
    from collections.abc import Callable

_MANIFEST: Final = ("image", "file", "patient_id", "lesion_id", "age", "sex", "site", "simulated", "odd", "seed")
_MEASUREMENTS: Final = (
    "image",
    "area_px",
    "area_share",
    "major_axis_px",
    "minor_axis_px",
    "eccentricity",
    "perimeter_px",
    "centroid_x",
    "centroid_y",
    "mean_r",
    "mean_g",
    "mean_b",
    "mm_per_px",
    "artefacts",
)
_IMAGE_DESCRIPTION: Final = 0x010E

_README: Final = f"""{NOTICE}

Every image in this folder was drawn by a program from a seed. No person and no lesion stands behind it, and the
ages, sexes and sites in the tables are made up.

Use it for demonstrations, software tests and load tests. A result on these images is never evidence of accuracy:
not of a model's, not of a method's, not of a reader's.

images/             JPEG; each file carries the line above as its comment and its EXIF ImageDescription
masks/              PNG, 8 bit; 255 inside the lesion's contour as drawn, 0 outside
manifest.csv        one row per image; odd is true for the lesion drawn unlike its patient's others
measurements.csv    exact measurements of the drawn shape, in pixels; mean colours from 0 to 255, before artefacts;
                    mm_per_px where a ruler was drawn, and the names of the artefacts laid over the image

The column seed, with the same number of lesions and image size, gives cygnet.simulate.simulate_patient the patient
again, byte for byte before JPEG compression.
"""


def write_patients(
    out: Path,
    *,
    n_patients: int,
    seed: int,
    n_lesions: int = 16,
    odd: bool = True,
    size: tuple[int, int] = (600, 450),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the patients of the seeds ``seed`` to ``seed + n_patients - 1`` to the folder ``out`` and return it.

    One patient is held in memory at a time. Everything is written to a folder beside ``out`` and moved when complete,
    so ``out`` is never half written. size : (width, height) in pixels. progress : called with patients done and all.
    Raises InputError if ``out`` holds anything or nothing can be drawn, OutputError if it cannot be written.
    """
    check(seed=seed, n_lesions=n_lesions, size=size, n_patients=n_patients)
    _check_free(out)
    scratch: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        folder = scratch / "set"
        _prepare(folder)
        for n in range(n_patients):
            _write_patient(folder, simulate_patient(seed + n, n_lesions=n_lesions, odd=odd, size=size))
            if progress is not None:
                progress(n + 1, n_patients)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    except OSError as error:
        raise OutputError(
            f"{out}: the simulated patients could not be written ({error}); free space or give another folder"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return out


def _check_free(out: Path) -> None:
    """Raise InputError unless ``out`` is absent or an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} already exists and is not an empty folder; give a new folder or remove this one")


def _prepare(folder: Path) -> None:
    """Make the folders, the notice and the tables' header rows."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    _append(folder / "manifest.csv", [_MANIFEST])
    _append(folder / "measurements.csv", [_MEASUREMENTS])


def _append(table: Path, rows: list[tuple[object, ...]]) -> None:
    with table.open("a", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _write_patient(folder: Path, patient: SimulatedPatient) -> None:
    for lesion in patient.lesions:
        _write_image(folder / "images" / f"{lesion.image_id}.jpg", lesion)
        mask = Image.fromarray(lesion.mask).convert("L")
        mask.save(folder / "masks" / f"{lesion.image_id}_segmentation.png")
    _append(folder / "manifest.csv", [_manifest_row(patient, lesion) for lesion in patient.lesions])
    _append(folder / "measurements.csv", [_measurement_row(lesion) for lesion in patient.lesions])


def _write_image(path: Path, lesion: SimulatedLesion) -> None:
    """A JPEG that says twice that it is no photograph."""
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = NOTICE
    Image.fromarray(lesion.image).save(path, quality=92, comment=NOTICE.encode(), exif=exif)


def _manifest_row(patient: SimulatedPatient, lesion: SimulatedLesion) -> tuple[object, ...]:
    return (
        lesion.image_id,
        f"images/{lesion.image_id}.jpg",
        patient.patient_id,
        lesion.lesion_id,
        patient.age,
        patient.sex,
        lesion.site,
        "true",
        "true" if lesion.odd else "false",
        patient.seed,
    )


def _measurement_row(lesion: SimulatedLesion) -> tuple[object, ...]:
    exact = lesion.measurements
    shape = (exact.major_axis_px, exact.minor_axis_px, exact.eccentricity, exact.perimeter_px)
    decimals = (f"{value:.4f}" for value in (*shape, *exact.centroid_xy, *exact.mean_rgb))
    scale = "" if lesion.mm_per_px is None else f"{lesion.mm_per_px:.6f}"
    return (lesion.image_id, exact.area_px, f"{exact.area_share:.6f}", *decimals, scale, ";".join(lesion.artefacts))
