"""Demo challenges on the public data of past ISIC challenges; whatever is not below ``data`` is left out.

Only claims that hold are entered: the shipped models meet the fifth of HAM10000 that they never saw, other people's scores
are out of fold, and what is fitted here is fitted on other rows or other patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from PIL import Image

from cygnet.challenge.demo.baselines import Tick, ellipses, from_metadata, out_of_fold, outlines, ranks, seen, words
from cygnet.challenge.demo.plan import Baseline, Desk, Planned
from cygnet.challenge.tasks import task
from cygnet.evaluation.study import numbered
from cygnet.models.registry import DEFAULT, SEGMENTER
from cygnet.schema import DIAGNOSES, ImageRecord

#: Masks that are compared; the whole fifth would only take longer.
MASKS: Final = 240
_OURS: Final = "trained on HAM10000, ISIC 2017 and ISIC 2020; these lesions were held out"


def challenges(data: Path, folder: Path, tick: Tick, limit: int | None = None) -> Iterator[Planned]:
    """Every challenge for which there are data; ``limit`` takes only so many images into those that look at pictures."""
    tables = data / "tables"
    makers: tuple[tuple[Path, Callable[[], Iterator[Planned]]], ...] = (
        (data / "ham10000/manifest.csv", lambda: _ham(data, folder, tick, limit)),
        (tables / "ISIC-2017_Training_Part3_GroundTruth.csv", lambda: iter([_2017(tables, folder)])),
        (tables / "isic2020_oof_efficientnet_b2.csv", lambda: _2020(tables, folder)),
        (tables / "isic2024_sample.csv", lambda: iter([_2024(tables, folder)])),
    )
    for needed, make in makers:
        if needed.is_file():
            yield from make()


def _definition(name: str, **more: object) -> dict[str, object]:
    return {"task": name, "public_share": 0.3, "per_day": 0, **more}


def _ham(data: Path, folder: Path, tick: Tick, limit: int | None) -> Iterator[Planned]:
    from cygnet.training.sources import read_sources

    samples = [s for s in read_sources(data) if s.source == "ham10000"]
    facts = pl.read_csv(data / "ham10000/manifest.csv", infer_schema_length=None)
    held = {s.image_id for s in samples if s.split == "test" and any(s.votes)}
    unseen = facts.filter(pl.col("isic_id").is_in(held)).sort("isic_id").head(limit or facts.height)
    others = facts.filter(pl.col("isic_id").is_in([s.image_id for s in samples if s.split == "train"]))
    records = [
        ImageRecord(r["isic_id"], data / "ham10000" / r["file"], r["lesion_id"]) for r in unseen.iter_rows(named=True)
    ]
    votes = {s.image_id: s.votes for s in samples}
    yield _diagnoses(folder, unseen, others, records, votes, tick)
    yield _masks(data, folder, unseen, records[:MASKS], lambda done: tick(len(records) + done))


def _diagnoses(
    folder: Path,
    unseen: pl.DataFrame,
    others: pl.DataFrame,
    records: list[ImageRecord],
    votes: dict[str, tuple[int, ...]],
    tick: Tick,
) -> Planned:
    definition = _definition(
        "isic2018-task3",
        title="ISIC 2018 Task 3 on HAM10000's held-out fifth: seven diagnoses",
        rules="Balanced accuracy over seven diagnoses. Lesions, not images, are split and resampled.",
        data="The fifth of HAM10000, by lesion, that Cygnet's models never saw, as far as human readers have read it (CC BY-NC 4.0).",
    )
    desk = Desk(folder, "isic2018-task3", definition, unseen["isic_id"].to_list())
    classes = [c.lower() for c in desk.task.classes]
    truth = desk.truth(
        {
            **{c: (unseen["dx"] == c.lower()).cast(pl.Int64) for c in desk.task.classes},
            **{c: unseen[c] for c in ("lesion_id", "age", "sex")},
            "site": unseen["localization"],
        }
    )
    order = [DIAGNOSES.index(c) for c in classes]
    desk.enter(
        f"Cygnet: {DEFAULT}",
        "as shipped, all diagnoses equally common",
        seen(records, "isic2018", tick),
        "What cygnet predict --task isic2018 writes.",
        _OURS,
    )
    read = np.array([votes[name] for name in desk.images], np.float64)[:, order]
    desk.enter(
        "Human readers",
        "share of votes",
        read / read.sum(axis=1, keepdims=True),
        "Votes of all readers of Tschandl et al. 2020, pooled; a tie of votes counts as wrong.",
        "none",
    )
    number = np.array([classes.index(d) for d in others["dx"]])
    guess = from_metadata(_facts(others), number, _facts(unseen), len(classes), flat=True)
    desk.enter(
        "Metadata only",
        "naive Bayes on age, sex and site",
        guess,
        "Fitted on the training lesions.",
        "labels of the training lesions",
    )
    nevus = np.tile(np.eye(len(classes))[classes.index("nv")], (len(desk.images), 1))
    desk.enter("Always a nevus", "the commonest answer", nevus, "Looks at nothing.", "none")
    return desk.planned(truth)


def _facts(frame: pl.DataFrame) -> pl.DataFrame:
    return words(frame, ("sex", "localization"), "age")


def _masks(data: Path, folder: Path, unseen: pl.DataFrame, records: list[ImageRecord], tick: Tick) -> Planned:
    definition = _definition(
        "isic2018-task1",
        title="ISIC 2018 Task 1 on HAM10000's held-out fifth: outlines",
        rules="Mean threshold Jaccard: below 0.65 an outline counts 0.",
        data="Masks of Tschandl et al. 2020 for lesions of HAM10000 that Cygnet's segmenter never saw (CC BY-NC 4.0).",
    )
    source = data / "ham10000/masks"
    records = [r for r in records if (source / f"{r.image}_segmentation.png").is_file()]
    desk = Desk(folder, "isic2018-task1", definition, [r.image for r in records])
    truth = desk.folder / "truth"
    truth.mkdir()
    sizes = []
    for record in records:
        mask = source / f"{record.image}_segmentation.png"
        (truth / mask.name).write_bytes(mask.read_bytes())
        with Image.open(mask) as opened:
            sizes.append(opened.size)
    lesions = desk.folder / "lesions.csv"
    unseen.select("isic_id", "lesion_id", "age", "sex", pl.col("localization").alias("site")).write_csv(lesions)
    ours, middle = desk.folder / "ours.zip", desk.folder / "middle.zip"
    outlines(records, sizes, ours, tick)
    ellipses(desk.images, sizes, middle)
    words_ours = "The fast outline model, on pictures of 200 x 150 pixels, its masks enlarged to 600 x 450."
    entries = (
        Baseline(
            f"Cygnet: {SEGMENTER}",
            "as shipped",
            words_ours,
            "trained on masks of HAM10000; these lesions were held out",
            ours,
        ),
        Baseline("An ellipse", "in the middle", "Looks at no image.", "none", middle),
    )
    return Planned(desk.name, definition, truth, lesions, entries)


def _2017(tables: Path, folder: Path) -> Planned:
    known, asked = (
        pl.read_csv(tables / f"ISIC-2017_{part}_Part3_GroundTruth.csv").join(
            pl.read_csv(tables / f"ISIC-2017_{part}_Data_metadata.csv", infer_schema_length=None), on="image_id"
        )
        for part in ("Training", "Validation")
    )
    definition = _definition(
        "isic2017-task3",
        title="ISIC 2017 Task 3, validation images: melanoma, seborrheic keratosis",
        rules="Mean AUC of both classes. No entry looks at an image: the official validation images are not part of the data.",
        data="The official validation truth of 2017 (CC-0).",
    )
    desk = Desk(folder, "isic2017-task3", definition, asked["image_id"].to_list())
    columns = {c: asked[c].cast(pl.Int64) for c in desk.task.classes}
    truth = desk.truth({**columns, "age": asked["age_approximate"], "sex": asked["sex"]})
    facts = [words(frame, ("sex",), "age_approximate") for frame in (known, asked)]
    each = [from_metadata(facts[0], known[c].cast(pl.Int64).to_numpy(), facts[1], 2)[:, 1] for c in desk.task.classes]
    desk.enter(
        "Metadata only",
        "naive Bayes on age and sex",
        np.stack(each, axis=1),
        "Fitted on the official training truth.",
        "the training truth of 2017",
    )
    desk.enter("The same for all", "one half", np.full((len(desk.images), 2), 0.5), "Looks at nothing.", "none")
    return desk.planned(truth)


def _2020(tables: Path, folder: Path) -> Iterator[Planned]:
    other = pl.read_csv(tables / "isic2020_oof_efficientnet_b2.csv")
    rows = pl.read_csv(tables / "isic2020_train.csv", infer_schema_length=None).join(other, on="image_name")
    rows = rows.filter(~pl.col("unusable"))
    yield _patients(
        folder,
        rows,
        "isic2020",
        _definition(
            "isic2020",
            title="ISIC 2020 on its training images: melanoma with patient context",
            rules="AUC; patients are split and resampled. Lesion count alone reaches 0.72: an artefact of how the set was collected, and a warning.",
            data="The public training metadata of 2020, without 412 patients and without images that one network had no fair score for.",
        ),
        past=True,
    )
    large = rows.filter(pl.len().over("patient_id") >= 10)
    yield _patients(
        folder,
        large,
        "odd-one-out",
        {
            "title": "The odd one out: ISIC 2020, patients of ten lesions or more",
            "kind": "ranking",
            "headline": "within_patient_auc",
            "identifier": "image_name",
            "public_share": 0.3,
            "per_day": 5,
            "rules": "Only the order within a patient counts: a melanoma must score above the same patient's other lesions.",
            "data": "Training images of ISIC 2020, patients of at least ten lesions.",
            "citation": task("isic2020").citation,
        },
        past=False,
    )


def _patients(folder: Path, rows: pl.DataFrame, name: str, definition: dict[str, object], *, past: bool) -> Planned:
    desk = Desk(folder, name, definition, rows["image_name"].to_list())
    patient = numbered(rows["patient_id"].to_numpy().astype(object))
    labels = rows["target"].to_numpy() > 0
    facts = {
        "patient_id": "patient_id",
        "sex": "sex",
        "age": "age_approx",
        "site": "anatom_site_general_challenge",
        "ita": "ita",
    }
    truth = desk.truth({"target": rows["target"], **{k: rows[c] for k, c in facts.items()}})
    ranked = rows.with_columns((pl.col("score").rank() - 0.5).over("fold") / pl.len().over("fold"))["score"].to_numpy()
    desk.enter(
        "EfficientNet-B2 of others",
        "ranked within folds",
        ranked,
        "Out-of-fold scores of one public network; later folds were warm-started from earlier ones, so that it is a little too good.",
        "ImageNet; metadata of the patients",
    )
    guess = out_of_fold(words(rows, ("sex", "anatom_site_general_challenge"), "age_approx"), labels, patient)
    desk.enter(
        "Metadata only",
        "naive Bayes on age, sex and site",
        guess,
        "Fitted on other patients.",
        "labels of other patients",
    )
    counts = np.bincount(patient)[patient]
    desk.enter("Lesion count only", "1 / lesions of the patient", 1 / counts, "Looks at no image.", "none")
    return desk.planned(truth, past=past)


def _2024(tables: Path, folder: Path) -> Planned:
    rows = pl.read_csv(tables / "isic2024_sample.csv", infer_schema_length=None).filter(
        pl.col("oof_prediction").is_not_null()
    )
    definition = _definition(
        "isic2024",
        title="ISIC 2024 on a sample of its training tiles",
        rules="pAUC above 80 % TPR, from 0 to 0.2.",
        data="All malignant tiles and a sample of benign ones (SLICE-3D, CC BY 4.0), so that patients are incomplete and prevalence is far too high.",
    )
    desk = Desk(folder, "isic2024", definition, rows["isic_id"].to_list())
    patient = numbered(rows["patient_id"].to_numpy().astype(object))
    facts = {"patient_id": "patient_id", "sex": "sex", "age": "age_approx", "site": "anatom_site_general"}
    truth = desk.truth({"target": rows["target"], **{k: rows[c] for k, c in facts.items()}})
    desk.enter(
        "A CNN of others",
        "out of fold, as ranks",
        ranks(rows["oof_prediction"].to_numpy()),
        "Out-of-fold scores of one public network.",
        "ImageNet",
    )
    guess = out_of_fold(
        words(rows, ("sex", "anatom_site_general"), "age_approx"), rows["target"].to_numpy() > 0, patient
    )
    desk.enter(
        "Metadata only",
        "naive Bayes on age, sex and site",
        guess,
        "Fitted on other patients.",
        "labels of other patients",
    )
    desk.enter(
        "Size only",
        "the longest diameter",
        ranks(rows["clin_size_long_diam_mm"].to_numpy().astype(float)),
        "Looks at no image.",
        "none",
    )
    return desk.planned(truth)
