"""Lesions with truth for learning and judging context: real tables, and real images seen once by networks.

What networks see is kept in a cache folder, and made again when the lesion model or the list of images changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.context import Cohort, log_odds
from cygnet.context.sites import site_numbers
from cygnet.errors import InputError
from cygnet.evaluation import table
from cygnet.evaluation.controls import log_odds as evidence_of
from cygnet.evaluation.controls import metadata
from cygnet.evaluation.study import Reading, build
from cygnet.models import LesionModel, find
from cygnet.models.registry import SEGMENTER
from cygnet.schema import ImageRecord
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Sample, read_sources
from cygnet.triage import Yardstick, examine
from cygnet.triage.calibration import melanoma_logit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Patient-grouped folds that everything learned on real patients is judged in.
FOLDS = 5
_PREVALENCE = 0.02


@dataclass(frozen=True)
class Seen:
    """n images as the shipped lesion model sees them: ``logit`` (n,) of melanoma at 2 % prevalence, ``embedding`` (n, d),
    ``measurements`` (n, m)."""

    logit: Floats
    embedding: NDArray[np.float32]
    measurements: Floats


@dataclass(frozen=True)
class Case:
    """n lesions with truth: ``labels`` (n,) bool; ``fold`` (n,) of the patient, 0 to 4; ``extra`` (n, f) metadata for a second
    stage; ``unseen`` (n,) bool: images that the lesion model did not train on; ``cluster`` (n,) what is resampled."""

    cohort: Cohort
    labels: NDArray[np.bool_]
    fold: Ints
    extra: Floats
    unseen: NDArray[np.bool_]
    cluster: Ints

    def take(self, rows: NDArray[np.bool_] | Ints) -> Case:
        """The lesions of ``rows``."""
        return Case(
            self.cohort.take(rows),
            self.labels[rows],
            self.fold[rows],
            self.extra[rows],
            self.unseen[rows],
            np.unique(self.cluster[rows], return_inverse=True)[1],
        )


def fold_of(patient: str) -> int:
    """The fold of a patient, by a hash of its ISIC id: the same in every table that names it."""
    return int.from_bytes(hashlib.blake2b(patient.encode(), digest_size=8).digest(), "big") % FOLDS


def _case(
    cohort: Cohort,
    labels: NDArray[np.bool_],
    patients: NDArray[np.object_],
    *,
    extra: Floats | None = None,
    unseen: NDArray[np.bool_] | None = None,
) -> Case:
    n = len(labels)
    names, code = np.unique(patients.astype(str), return_inverse=True)
    return Case(
        cohort,
        np.asarray(labels, bool),
        np.array([fold_of(name) for name in names], np.int64)[code],
        np.zeros((n, 0)) if extra is None else extra,
        np.ones(n, bool) if unseen is None else unseen,
        code,
    )


@lru_cache(maxsize=1)
def samples(data: Path) -> list[Sample]:
    """The labelled images, without those that repeat an image of a judged split."""
    return without_leaks(read_sources(data))[0]


def seen_by_model(paths: Sequence[Path], name: str, cache: Path) -> Seen:
    """Run the shipped lesion model over images, without its gate; cached by model and list of images."""
    model = LesionModel()
    file = _file(cache, name, model.files.sha256 + find(SEGMENTER).sha256, paths)
    if not file.is_file():
        model._limit = 1e9
        records = [ImageRecord(str(k), p, "study", origin="study") for k, p in enumerate(paths)]
        found = list(examine(records, model))
        looks = [e.look for e in found]
        blank = next(look for look in looks if look is not None)
        rows = [look if look is not None else blank for look in looks]
        _save(
            file,
            seen=np.array([look is not None for look in looks]),
            logits=np.stack([look.logits for look in rows]),
            embedding=np.stack([look.embedding for look in rows]),
            measurements=np.stack([look.measurements for look in rows]),
        )
    with np.load(file) as stored:
        logit = melanoma_logit(stored["logits"], Yardstick.from_model(model).calibration, _PREVALENCE)
        logit = np.where(stored["seen"], logit, np.nan)
        return Seen(logit, stored["embedding"], _measured(stored["measurements"]))


def _measured(values: NDArray[np.float32]) -> Floats:
    """Measurements with those of lesions that could not be measured (NaN) at the median, where they are no departure."""
    middle = np.nanmedian(values, axis=0)
    return np.where(np.isnan(values), middle, values).astype(np.float64)


def seen_by_imagenet(paths: Sequence[Path], name: str, cache: Path, size: int = 160) -> NDArray[np.float32]:
    """Features of EfficientNet-Lite0 as trained on ImageNet, which knows no skin: (n, 1280), cached."""
    file = _file(cache, name, f"imagenet-lite0-{size}", paths)
    if not file.is_file():
        _save(file, embedding=np.concatenate(list(_imagenet(paths, cache, size))))
    with np.load(file) as stored:
        return np.asarray(stored["embedding"], np.float32)


def _imagenet(paths: Sequence[Path], cache: Path, size: int) -> Iterator[NDArray[np.float32]]:
    """Features in batches, by ONNX Runtime, which is several times as fast as PyTorch here."""
    import onnxruntime

    from cygnet.imaging import decode

    graph = cache / f"imagenet-{size}.onnx"
    if not graph.is_file():
        _export_imagenet(graph, size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # beside other work, threads that wait by spinning cost more than they bring
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    for start in range(0, len(paths), 32):
        pixels = np.stack([decode(p.read_bytes(), size).pixels for p in paths[start : start + 32]])
        yield np.asarray(session.run(["embedding"], {"pixels": pixels})[0], np.float32)


def _export_imagenet(graph: Path, size: int) -> None:
    from cygnet.schema import DIAGNOSES
    from cygnet.training.export import to_onnx
    from cygnet.training.network import build as network

    graph.parent.mkdir(parents=True, exist_ok=True)
    part = graph.with_suffix(".part.onnx")
    os.replace(to_onnx(network(len(DIAGNOSES)), part, size, ("logits", "embedding")), graph)


def _file(cache: Path, name: str, model: str, paths: Sequence[Path]) -> Path:
    digest = hashlib.sha256("\n".join([model, *map(str, paths)]).encode()).hexdigest()[:12]
    return cache / f"{name}-{digest}.npz"


def _save(file: Path, **arrays: NDArray[np.generic]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}")
    with part.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    os.replace(part, file)


def table_2020(data: Path) -> Case:
    """ISIC 2020: real out-of-fold scores, ranked within fold, of all patients."""
    truth = table.read(data / "tables" / "isic2020_train.csv")
    scores = table.read(data / "tables" / "isic2020_oof_efficientnet_b2.csv")
    scores = scores.filter(pl.col("unusable").cast(pl.String).str.to_lowercase() != "true")
    study = build(truth, {"b2": scores}, Reading(subset=True, fold="fold"))
    assert study.patient is not None
    owner = dict(zip(table.images(truth), truth["patient_id"].to_list(), strict=True))
    age = np.array([float(word) if word else np.nan for word in study.attributes["age"]])
    site = site_numbers(study.attributes["site"])
    cohort = Cohort.build(study.patient, evidence_of(study.scores["b2"]), site=site, age=age)
    return _case(cohort, study.labels, np.array([owner[i] for i in study.images], object), extra=metadata(study))


def table_2024(data: Path) -> Case:
    """The SLICE-3D sample: measurements and a network's out-of-fold score; the patients are incomplete."""
    frame = pl.read_csv(data / "tables" / "isic2024_sample.csv", infer_schema_length=None)
    frame = frame.filter(pl.col("oof_prediction").is_not_null())
    left_out = ("tbp_lv_x", "tbp_lv_y", "tbp_lv_z", "tbp_lv_symm_2axis_angle", "tbp_lv_dnn_lesion_confidence")
    names = tuple(
        c for c in frame.columns if c.startswith("tbp_lv_") and frame[c].dtype.is_numeric() and c not in left_out
    )
    names = ("clin_size_long_diam_mm", *names)
    measured = frame.select(pl.col(names).cast(pl.Float64)).fill_null(strategy="mean").to_numpy()
    code = site_numbers(frame["anatom_site_general"].fill_null("").to_numpy())
    kind = np.unique(frame["tbp_tile_type"].fill_null("").to_numpy(), return_inverse=True)[1]
    patient = np.unique(frame["patient_id"].to_numpy(), return_inverse=True)[1]
    age = frame["age_approx"].cast(pl.Float64).fill_null(strategy="mean").to_numpy()
    male = (frame["sex"] == "male").fill_null(value=False).to_numpy().astype(float)
    extra = np.column_stack([age, male, *((code == k).astype(float) for k in np.unique(code))])
    cohort = Cohort.build(
        patient,
        log_odds(np.clip(frame["oof_prediction"].to_numpy(), 1e-6, 1 - 1e-6)),
        measurements=measured,
        site=code,
        kind=kind,
        age=age,
    )
    return _case(cohort, frame["target"].to_numpy() == 1, frame["patient_id"].to_numpy(), extra=extra)


def images_2020(data: Path, cache: Path) -> Case:
    """The real images of ISIC 2020 with their patients; ``unseen`` are those that the lesion model did not train on."""
    mine = [s for s in samples(data) if s.source == "isic2020"]
    seen = seen_by_model([s.path for s in mine], "isic2020", cache)
    names = np.array([s.group.partition(":")[2] for s in mine], object)
    patient = np.unique(names.astype(str), return_inverse=True)[1]
    kept = np.flatnonzero(~np.isnan(seen.logit))
    cohort = Cohort.build(
        patient[kept], seen.logit[kept], embedding=seen.embedding[kept], measurements=seen.measurements[kept]
    )
    return _case(
        cohort,
        np.array([s.melanoma for s in mine])[kept],
        names[kept],
        unseen=np.array([s.split == "test" for s in mine])[kept],
    )


def images_full(data: Path, folder: Path, cache: Path) -> Case:
    """The complete images of ISIC 2020 out of ``folder``, of patients that the lesion model never trained on.

    Labels and patients come from ``data/tables/isic2020_train.csv``; images that are not there are left out.

    Raises
    ------
    InputError
        If the folder holds none of the images.
    """
    truth = table.read(data / "tables" / "isic2020_train.csv")
    trained = {s.group.partition(":")[2] for s in read_sources(data) if s.source == "isic2020" and s.split != "test"}
    truth = truth.filter(~pl.col("patient_id").is_in(sorted(trained)))
    files = {path.stem: path for path in folder.rglob("*.jpg")}
    rows = [k for k, name in enumerate(table.images(truth)) if name in files]
    if not rows:
        raise InputError(f"{folder}: no image of the ISIC 2020 table here; download collection 70 into it")
    truth = truth[rows]
    seen = seen_by_model([files[name] for name in table.images(truth)], "isic2020-full", cache)
    kept = np.flatnonzero(~np.isnan(seen.logit))
    names = truth["patient_id"].to_numpy()[kept]
    site = site_numbers(truth["anatom_site_general_challenge"].fill_null("").to_numpy()[kept])
    cohort = Cohort.build(
        np.unique(names.astype(str), return_inverse=True)[1],
        seen.logit[kept],
        embedding=seen.embedding[kept],
        measurements=seen.measurements[kept],
        site=site,
    )
    age = truth["age_approx"].cast(pl.Float64).fill_null(strategy="mean").to_numpy()[kept]
    male = (truth["sex"] == "male").fill_null(value=False).to_numpy()[kept].astype(float)
    extra = np.column_stack([age, male, *((site == k).astype(float) for k in np.unique(site))])
    return _case(cohort, truth["target"].to_numpy()[kept] == 1, names, extra=extra)


def images_3d(data: Path, cache: Path) -> Case | None:
    """Body-photography tiles whose patient is known; the lesion model never met such images."""
    manifest = pl.read_csv(data / "slice3d" / "manifest.csv", infer_schema_length=None)
    manifest = manifest.filter(pl.col("patient_id").is_not_null())
    if not manifest.height:
        return None
    seen = seen_tiles([data / "slice3d" / f for f in manifest["file"]], "slice3d", cache)
    patient = np.unique(manifest["patient_id"].to_numpy(), return_inverse=True)[1]
    cohort = Cohort.build(patient, seen.logit, embedding=seen.embedding, measurements=seen.measurements)
    return _case(cohort, (manifest["label"] == "malignant").to_numpy(), manifest["patient_id"].to_numpy())


def seen_tiles(paths: Sequence[Path], name: str, cache: Path) -> Seen:
    """As ``seen_by_model``, for pictures too small for the gate: decoded and enlarged whole."""
    from PIL import Image

    from cygnet.imaging import measure_stack, scene
    from cygnet.triage.outlines import default_segmenter, draw

    model = LesionModel()
    file = _file(cache, name, model.files.sha256 + find(SEGMENTER).sha256, paths)
    if not file.is_file():
        logits, embedding, measured = [], [], []
        for start in range(0, len(paths), 32):
            opened = [Image.open(p).convert("RGB") for p in paths[start : start + 32]]
            aspect = np.array([image.width / image.height for image in opened])
            side = (model.size, model.size)
            pixels = np.stack([np.asarray(i.resize(side, Image.Resampling.BILINEAR), np.uint8) for i in opened])
            found = model.predict(pixels)
            logits.append(found.logits)
            embedding.append(found.embedding)
            measured.append(measure_stack(scene(pixels, draw(pixels, default_segmenter()).masks), aspect))
        _save(
            file,
            logits=np.concatenate(logits),
            embedding=np.concatenate(embedding),
            measurements=np.concatenate(measured),
        )
    with np.load(file) as stored:
        logit = melanoma_logit(stored["logits"], Yardstick.from_model(model).calibration, _PREVALENCE)
        return Seen(logit, stored["embedding"], _measured(stored["measurements"]))
