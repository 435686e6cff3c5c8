"""Evaluation on real scores of other people's networks, and of ours beside human readers: sections of docs/results.md.

python studies/truth.py --data ../shared/data

Prints the sections; ``studies/results.py`` puts them into the page. Nothing is fitted to what is reported: second
stages are out of fold by patient.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from cygnet.context.robust import z_without_self
from cygnet.evaluation import table
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.controls import controls, log_odds, metadata, second_stage
from cygnet.evaluation.delong import midranks
from cygnet.evaluation.entries import Reading as EntryReading
from cygnet.evaluation.entries import read_splits
from cygnet.evaluation.evaluate import difference
from cygnet.evaluation.judge import Estimate, judge
from cygnet.evaluation.leaks import Audit, audit, find_pairs, fingerprints, summary
from cygnet.evaluation.readers import anchor
from cygnet.evaluation.study import Reading, Study, build
from cygnet.evaluation.subgroups import by_group
from cygnet.imaging.measure import measure
from cygnet.models import LesionModel
from cygnet.schema import ImageRecord
from cygnet.training.sources import read_sources
from cygnet.triage import Yardstick, examine
from cygnet.triage.calibration import melanoma_logit
from cygnet.triage.outlines import default_segmenter
from cygnet.triage.segmentation import segment

Floats = NDArray[np.float64]
SHOWN = ("auc", "pauc", "within_patient_auc", "hit_at_1", "hit_at_3")


def main() -> None:
    """Print all sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    print("\n".join(sections(parser.parse_args().data)))


def sections(data: Path) -> Iterator[str]:
    """The Markdown lines of every section."""
    truth = table.read(data / "tables" / "isic2020_train.csv")
    b2 = usable(table.read(data / "tables" / "isic2020_oof_efficientnet_b2.csv"))
    study = build(truth, {"b2": b2}, Reading(subset=True, fold="fold"))
    resamples = Resamples(study.units)
    yield from context_on_2020(study, resamples)
    yield from control_table(study, resamples)
    yield from first_place(truth, table.read(data / "tables" / "isic2020_oof_first_place.csv"))
    yield from skin_tone(study, resamples)
    yield from ours(data, LesionModel())
    yield from leaks_of_images(data)
    yield from leaks_of_tables(data / "tables")


def usable(scores: pl.DataFrame) -> pl.DataFrame:
    """Rows whose score may be judged."""
    return scores.filter(pl.col("unusable").cast(pl.String).str.to_lowercase() != "true")


def context_on_2020(study: Study, resamples: Resamples) -> Iterator[str]:
    """What a second stage on a scalar score gains."""
    raw = study.scores["b2"]
    assert study.patient is not None
    evidence = log_odds(raw)
    deviation = leave_self_out(evidence, study.patient)
    count = np.log(np.bincount(study.patient)[study.patient])[:, None]
    own, about = np.stack([evidence, evidence**2], axis=1), metadata(study)
    stages: dict[str, Floats] = {
        "raw score, ranked within fold": raw,
        "+ leave-self-out context": second_stage(study, np.hstack([own, deviation])),
        "+ age, sex, site": second_stage(study, np.hstack([own, about])),
        "+ context + count + metadata": second_stage(study, np.hstack([own, deviation, count, about])),
        "lesion count alone": -count[:, 0],
        "deviation from siblings alone": deviation[:, 0],
    }
    judged = {name: judge(study, s, resamples, curves=False).metrics for name, s in stages.items()}
    base = judged["raw score, ranked within fold"]
    n, positives = len(study.labels), int(study.labels.sum())
    yield "## Context on a scalar score: ISIC 2020, another team's network\n"
    yield f"Out-of-fold scores of an EfficientNet-B2 on {n:,} images of {study.units:,} patients with {positives} melanomas; 95 %"
    yield "intervals from 2,000 resamples of patients; second stages are ridge logistic regressions, out of fold by patient."
    chance = judge(study, raw, Resamples(study.units, 100), curves=False).chance
    yield f"hit@k is over {base['hit_at_1'].n} patients with a melanoma and at least ten lesions (chance {chance['hit_at_1']:.3f} and"
    yield f"{chance['hit_at_3']:.3f}), within-patient AUC over {base['within_patient_auc'].n} patients with both classes.\n"
    yield "| score | AUC | AUC minus raw | pAUC (max 0.2) | within-patient AUC | hit@1 | hit@3 |"
    yield "|---|---|---|---|---|---|---|"
    for name, found in judged.items():
        gain = "" if found is base else spread_of(difference(found["auc"], base["auc"], 0.95), sign=True)
        cells = [cell(found[m]) for m in SHOWN]
        yield f"| {name} | {cells[0]} | {gain} | {' | '.join(cells[1:])} |"
    yield ""


def leave_self_out(evidence: Floats, patient: NDArray[np.int64]) -> Floats:
    """Robust z among the siblings, and its departure from them, 0 for a lesion without: (n, 2)."""
    made = np.zeros((len(evidence), 2))
    prior = float(1.4826 * np.median(np.abs(evidence - np.median(evidence))))
    for p in np.unique(patient):
        mine = patient == p
        if mine.sum() > 1:
            z = np.clip(z_without_self(evidence[mine], prior), -6, 6)
            made[mine] = np.stack([z, np.maximum(z - 2, 0)], axis=1)
    return made


def control_table(study: Study, resamples: Resamples) -> Iterator[str]:
    """Cygnet's own layer on the same scores, with its controls."""
    found = controls(study, study.scores["b2"], resamples)
    yield "### Controls\n"
    yield "Cygnet's layer on the scalar score (`cygnet evaluate --controls`), the same rows:\n"
    yield "| siblings | AUC | within-patient AUC | hit@1 | hit@3 |\n|---|---|---|---|---|"
    kept = ("auc", "within_patient_auc", "hit_at_1", "hit_at_3")
    for model in found["models"]:
        yield f"| {model['name']} | {' | '.join(stated(model['metrics'][m]) for m in kept)} |"
    for key, words in (("true_minus_shuffled", "**true minus shuffled**"), ("true_minus_none", "true minus none")):
        yield f"| {words} | {' | '.join(spread_of(found[key][m], sign=True) for m in kept)} |"
    yield "\nOn a scalar score, context gains nothing that shuffled siblings do not: a negative result, as others found.\n"


def first_place(truth: pl.DataFrame, scores: pl.DataFrame) -> Iterator[str]:
    """The winners' networks, each alone and averaged, on the rows that thirteen of them share."""
    names = [c for c in scores.columns if c not in ("image_name", "__image", "__row")]
    known = scores.select(pl.col(names).is_not_null().sum()).row(0)
    shared = [n for n, k in zip(names, known, strict=True) if k == sorted(known)[len(known) // 2]]
    study = build(truth, {"first": scores}, Reading(score=tuple(shared), subset=True))
    plain = [n for n in shared if "meta" not in n]
    ranked = {n: midranks(study.scores[f"first: {n}"]) for n in shared}
    resamples = Resamples(study.units)
    single = {n: judge(study, study.scores[f"first: {n}"], resamples, curves=False).metrics for n in shared}
    order = sorted(shared, key=lambda n: single[n]["auc"].value)
    rows: dict[str, Mapping[str, Estimate]] = {
        f"weakest of {len(shared)} single networks (`{order[0]}`)": single[order[0]],
        f"strongest (`{order[-1]}`)": single[order[-1]],
    }
    for group, label in ((plain, "without metadata"), (shared, "all")):
        pooled = np.mean([ranked[n] for n in group], axis=0)
        rows[f"mean rank of {len(group)} ({label})"] = judge(study, pooled, resamples, curves=False).metrics
    yield "## The networks of the 2020 winners\n"
    yield f"Out-of-fold scores on the {len(study.labels):,} images of {study.units:,} patients ({int(study.labels.sum())} melanomas) that"
    yield f"{len(shared)} of the 18 networks share.\n"
    yield "| scores | AUC | pAUC | hit@1 | hit@3 |\n|---|---|---|---|---|"
    for name, found in rows.items():
        yield f"| {name} | {' | '.join(cell(found[m]) for m in ('auc', 'pauc', 'hit_at_1', 'hit_at_3'))} |"
    yield ""


def skin_tone(study: Study, resamples: Resamples) -> Iterator[str]:
    """The 2020 scores by skin tone."""
    yield "## Subgroups: the 2020 scores by skin tone, age, sex and site\n"
    yield "AUC of the EfficientNet-B2 score; ITA is an estimate from the image. Gaps are to the best group and lean away from zero.\n"
    yield from group_table(study, study.scores["b2"], resamples)


def group_table(study: Study, scores: Floats, resamples: Resamples) -> Iterator[str]:
    """AUC by subgroup, and how far each is behind the best."""
    yield "| variable | group | images | melanomas | AUC | gap to the best |\n|---|---|--:|--:|---|---|"
    for variable in by_group(study, scores, resamples):
        for g in variable["groups"]:
            if "value" in g:
                gap = {"difference": g["gap"], "low": g["gap_low"], "high": g["gap_high"]}
                judged = f"{stated(g)} | {spread_of(gap, sign=True) if g['gap'] else 'best'}"
            else:
                judged = f"{g['note']} | "
            yield f"| {variable['variable']} | {g['group']} | {g['n']:,} | {g['positives']} | {judged} |"
    yield ""


def ours(data: Path, model: LesionModel) -> Iterator[str]:
    """Our model on the HAM10000 test split: by subgroup, and beside human readers."""
    samples = [s for s in read_sources(data) if s.source == "ham10000" and s.split == "test"]
    model = LesionModel(model.files)
    model._limit = 1e9
    seen = list(examine([ImageRecord(s.image_id, s.path, s.group, origin="study") for s in samples], model))
    logits = np.stack([e.look.logits for e in seen if e.look is not None])
    kept = [s for s, e in zip(samples, seen, strict=True) if e.look is not None]
    score = melanoma_logit(logits, Yardstick.from_model(model).calibration, 0.02)
    facts = table.read(data / "ham10000" / "manifest.csv").rename({"localization": "site"})
    made = {
        "image": [s.image_id for s in kept],
        "target": [int(s.melanoma) for s in kept],
        "lesion_id": [s.group for s in kept],
        "ita": [skin_ita(s.path) for s in kept],
        **{name: table.take(facts, tuple(s.image_id for s in kept))[name] for name in ("age", "sex", "site")},
    }
    truth = table.prepare(pl.DataFrame(made), "HAM10000 test split")
    scores = table.prepare(pl.DataFrame({"image": made["image"], "score": score}), "scores")
    study = build(truth, {"model": scores}, Reading(unit="lesion"))
    resamples = Resamples(study.units)
    yield "## Subgroups: the shipped model on the HAM10000 test split\n"
    yield "Skin tone from the skin around the outlined lesion, by its individual typology angle (ITA), which light and camera move: an"
    yield "estimate. Gaps are to the best group and lean away from zero; intervals by lesion.\n"
    yield from group_table(study, study.scores["model"], resamples)
    yield from against_readers(data, study, resamples)


def skin_ita(path: Path) -> float | None:
    """The individual typology angle of the skin around the lesion, in degrees; None where it is undefined."""
    found = segment(path, default_segmenter())
    if not found.found:
        return None
    angle = measure(np.asarray(Image.open(path).convert("RGB")), found.mask).skin_ita
    return None if math.isnan(angle) else angle


def against_readers(data: Path, study: Study, resamples: Resamples) -> Iterator[str]:
    """Our model and human readers on the same lesions."""
    score = study.scores["model"]
    yield "## Against human readers (HAM10000 test split)\n"
    yield "Votes of readers who saw the same images (Tschandl et al. 2020). *Average* is the reader met by chance; the model is read at"
    yield "that reader's specificity. *Pooled* takes the share of melanoma votes as a score. Intervals by lesion, paired.\n"
    yield "| readers | images | melanomas | average: sensitivity at specificity | model there | model minus average | pooled AUC | model minus pooled AUC |"
    yield "|---|--:|--:|---|---|---|---|---|"
    for name, words in (("all", "all"), ("derms", "dermatologists"), ("exp", "experts"), ("nonexp", "not experts")):
        r = anchor(study, score, table.read(data / "tables" / f"ham10000_readers_{name}.csv"), words, resamples)
        yield (
            f"| {words} | {r['n']:,} | {r['positives']} | {r['average']['sensitivity']['value']:.3f} at "
            f"{r['average']['specificity']['value']:.3f} | {stated(r['model_sensitivity'])} | "
            f"{spread_of(r['model_minus_average_sensitivity'], sign=True)} | {stated(r['pooled']['auc'])} | "
            f"{spread_of(r['model_minus_pooled_auc'], sign=True)} |"
        )
    yield ""


def leaks_of_images(data: Path) -> Iterator[str]:
    """What the pictures of the three training sources share, and what gives the label away."""
    entries, problems = read_splits([data / name for name in ("ham10000", "isic2017", "isic2020")])
    prints, unread = fingerprints(entries)
    found = audit(entries, prints, [*problems, *unread], find_pairs(prints))
    yield "## Leak audit: the images of HAM10000, ISIC 2017 and ISIC 2020\n"
    yield f"`cygnet audit leaks` over {found.fingerprinted:,} pictures; {found.inside} more duplicate pairs lie within one source.\n"
    yield "| kind | between | pairs | stands | examples |\n|---|---|--:|---|---|"
    for (kind, a, b), n in summary(found).items():
        mine = [x for x in found.leaks if (x.kind, x.split_a, x.split_b) == (kind, a, b)]
        shown = ", ".join(x.key or f"{x.image_a} = {x.image_b}" for x in mine[:3])
        yield f"| {kind} | {a}, {b} | {n:,} | {'yes' if mine[0].stands else 'no'} | {shown} |"
    yield from shortcut_table(found)


def leaks_of_tables(tables: Path) -> Iterator[str]:
    """What the official tables of the challenges share by id."""
    names = (
        "ISBI2016_ISIC_Part3_Training_GroundTruth",
        "ISBI2016_ISIC_Part3_Test_GroundTruth",
        "ISIC-2017_Training_Part3_GroundTruth",
        "ISIC-2017_Validation_Part3_GroundTruth",
        "ISIC2018_Task3_Training_GroundTruth",
        "ISIC2018_Task3_Validation_GroundTruth",
        "ISIC_2019_Training_Metadata",
        "isic2020_train",
    )
    entries, _ = read_splits([tables / f"{name}.csv" for name in names], EntryReading(lenient=True))
    found = audit(entries, [None] * len(entries), [], [])
    yield "## Leak audit: the official tables, 2016 to 2020\n"
    yield "Ids in two tables. A later training set that holds an earlier test set is no fault of either, but a model trained on the one"
    yield "must not be judged on the other.\n"
    yield "| kind | between | shared |\n|---|---|--:|"
    for (kind, a, b), n in summary(found).items():
        yield f"| {kind} | {a}, {b} | {n:,} |"
    yield from shortcut_table(found)


def shortcut_table(found: Audit) -> Iterator[str]:
    """How well the label is told without the lesion."""
    yield "\n| label told from | AUC | direction | warns |\n|---|---|---|---|"
    for s in found.shortcuts:
        yield f"| {s.feature} | {s.auc:.3f} [{s.low:.3f}, {s.high:.3f}] | {s.direction} | {'yes' if s.warns else 'no'} |"
    yield ""


def cell(e: Estimate) -> str:
    """Value and interval."""
    return stated(e.as_json(0.95))


def stated(m: Mapping[str, float]) -> str:
    """Value and interval of an entry of evaluation.json."""
    return f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]" if m["value"] == m["value"] else "undefined"


def spread_of(d: Mapping[str, float], *, sign: bool) -> str:
    """A difference with its interval."""
    plus = "+" if sign else ""
    return f"{d['difference']:{plus}.4f} [{d['low']:{plus}.4f}, {d['high']:{plus}.4f}]"


if __name__ == "__main__":
    main()
