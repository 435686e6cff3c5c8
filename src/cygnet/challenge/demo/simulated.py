"""Demo challenges on simulated patients, for where there are no real data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from PIL import Image

from cygnet.challenge.demo.baselines import Floats, Tick, ellipses, out_of_fold, outlines, seen, words
from cygnet.challenge.demo.plan import Baseline, Desk, Planned
from cygnet.evaluation.study import numbered
from cygnet.models.registry import DEFAULT, SEGMENTER
from cygnet.schema import ImageRecord

PATIENTS, LESIONS, OUTLINED = 24, 10, 60
_RULES: Final = "SIMULATED patients: nothing here says how well a model does on people.\n\nOne team each. Declare data beyond the challenge's own."


def challenges(folder: Path, tick: Tick) -> Iterator[Planned]:
    """A past ranking and a past segmentation, and an open ranking; ``tick(done)`` of ``2 * PATIENTS * LESIONS + OUTLINED``."""
    from cygnet.simulate import write_patients

    place = write_patients(folder / "made", n_patients=PATIENTS, n_lesions=LESIONS, seed=11, size=(240, 180))
    tick(PATIENTS * LESIONS)
    table = pl.read_csv(place / "manifest.csv", infer_schema_length=None)
    records = [ImageRecord(r["image"], place / r["file"], r["patient_id"]) for r in table.iter_rows(named=True)]
    melanoma = seen(records, "isic2020", lambda done: tick(PATIENTS * LESIONS + done))[:, 0]
    for name, title, past in (("sim-odd-2025", "past", True), ("sim-odd", "open", False)):
        yield _ranking(folder, name, f"SIMULATED: the odd one out ({title})", table, melanoma, past=past)
    yield _outlines(folder, table, records[:OUTLINED], place, tick)


def _ranking(folder: Path, name: str, title: str, table: pl.DataFrame, melanoma: Floats, *, past: bool) -> Planned:
    definition = {
        "title": title,
        "kind": "ranking",
        "headline": "within_patient_auc",
        "public_share": 0.4,
        "per_day": 5,
        "rules": _RULES,
        "data": "Simulated patients of ten lesions, made by cygnet simulate; target 1 is the lesion drawn unlike the others.",
    }
    desk = Desk(folder, name, definition, table["image"].to_list())
    odd = table["odd"].cast(pl.Int64).to_numpy()
    patient = numbered(table["patient_id"].to_numpy().astype(object))
    truth = desk.truth(
        {"target": odd, **{c: table[c] for c in ("patient_id", "age", "sex", "site") if c in table.columns}}
    )
    nothing = "none"
    desk.enter(
        f"Cygnet: {DEFAULT}",
        "probability of melanoma",
        melanoma,
        "The shipped lesion model, each lesion by itself.",
        "trained on real images of HAM10000, ISIC 2017 and ISIC 2020",
    )
    counts = np.bincount(patient)[patient]
    desk.enter("Lesion count only", "1 / lesions of the patient", 1 / counts, "Looks at no image.", nothing)
    guess = out_of_fold(words(table, ("sex", "site"), "age"), odd > 0, patient)
    desk.enter(
        "Metadata only",
        "naive Bayes on age, sex and site",
        guess,
        "Fitted on other patients.",
        "the truth of other patients",
    )
    return desk.planned(truth, past=past)


def _outlines(folder: Path, table: pl.DataFrame, records: list[ImageRecord], place: Path, tick: Tick) -> Planned:
    definition = {
        "title": "SIMULATED: outlines of lesions (past)",
        "kind": "segmentation",
        "headline": "threshold_jaccard",
        "public_share": 0.4,
        "rules": _RULES,
        "data": "Simulated lesions with the masks they were drawn from.",
    }
    desk = Desk(folder, "sim-outlines", definition, [r.image for r in records])
    truth = desk.folder / "truth"
    truth.mkdir()
    sizes = []
    for record in records:
        source = next(place.joinpath("masks").rglob(f"{record.image}_segmentation.png"))
        (truth / source.name).write_bytes(source.read_bytes())
        with Image.open(source) as mask:
            sizes.append(mask.size)
    metadata = desk.folder / "patients.csv"
    table.select("image", "patient_id").write_csv(metadata)
    ours, middle = desk.folder / "ours.zip", desk.folder / "middle.zip"
    outlines(records, sizes, ours, lambda done: tick(2 * PATIENTS * LESIONS + done))
    ellipses([r.image for r in records], sizes, middle)
    entries = (
        Baseline(f"Cygnet: {SEGMENTER}", "as shipped", "The fast outline model.", "trained on masks of HAM10000", ours),
        Baseline("An ellipse", "in the middle", "Looks at no image.", "none", middle),
    )
    return Planned(desk.name, definition, truth, metadata, entries)
