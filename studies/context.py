"""Does context earn its place? Every method on real tables, real images and made-up patients, beside four controls.

python studies/context.py --data ../shared/data [--run runs/context-model] [--out docs/context.md]

Writes the part of docs/context.md between its two marks. First ``cygnet train context --data DATA --out runs/context-model``
trains the learned method. What networks see and every method's scores are kept under runs/, so that a second run, or one
after an interruption, goes on where it stopped; a new lesion model makes them anew.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from context_cases import (
    NAMES,
    SHUFFLES,
    Scores,
    averaged,
    baselines,
    kept,
    learned_on,
    look_of_scores,
    measured,
    real_scores,
    scored_by_measurements,
    strangers,
    trained_parts,
    trained_scores,
)
from numpy.typing import NDArray

import cygnet.context
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.evaluate import difference
from cygnet.evaluation.judge import Estimate
from cygnet.models import LesionModel
from cygnet.training.context import training_stock
from cygnet.training.context_parts import Networks, real_parts
from cygnet.training.context_sources import Case, images_3d, images_2020, images_full, table_2020, table_2024
from cygnet.training.made_up import LEVELS, STRANGERS, join, make, stock

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- figures: written by studies/context.py -->", "<!-- end of figures -->"
REPEATS = 2


@dataclass(frozen=True)
class Row:
    """One method on one case: metrics with true siblings, and their difference from shuffled siblings."""

    name: str
    true: Mapping[str, Estimate]
    shuffled: Mapping[str, Estimate]

    def gap(self, metric: str) -> Mapping[str, float]:
        """True minus shuffled, with its 95 % interval."""
        return difference(self.true[metric], self.shuffled[metric], 0.95)


@dataclass(frozen=True)
class Desk:
    """Where things are: ``data``, the training ``run`` of the learned method, ``cache`` for features and oddness,
    ``full`` the complete ISIC 2020 images, if they are there; ``ledger`` by case the rows of all methods."""

    data: Path
    run: Path
    cache: Path
    full: Path | None = None
    ledger: dict[str, dict[str, Row]] = field(default_factory=dict)

    @property
    def networks(self) -> Networks:
        """The learned networks."""
        return Networks(self.run)

    def key(self, *words: str) -> str:
        """A name for scores that changes with anything they depend on."""
        code = hashlib.sha256()
        here = Path(cygnet.context.__file__).parent
        for file in (*sorted(here.glob("*.py")), ROOT / "studies/context_cases.py", *sorted(self.run.glob("*.onnx"))):
            code.update(file.read_bytes())
        return "/".join((*words, LesionModel().files.sha256, code.hexdigest()))


def main() -> None:
    """Compute everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "context-model")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "context.md")
    parser.add_argument("--full", type=Path, help="folder with the complete ISIC 2020 images: adds their section")
    args = parser.parse_args()
    if not (args.run / "all.onnx").is_file():
        sys.exit(f"{args.run}: no trained networks; first run cygnet train context --data {args.data} --out {args.run}")
    desk = Desk(args.data, args.run, args.run / "cache", args.full)
    lines = "\n".join(section for section in sections(desk))
    page = args.out.read_text(encoding="utf-8") if args.out.is_file() else f"{BEGIN}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    args.out.write_text(f"{head}{BEGIN}\n{lines}\n{END}{tail}", encoding="utf-8")
    print(lines)


def sections(desk: Desk) -> Iterator[str]:
    """All sections of the page, what they come to first."""
    body = list(cases(desk))
    yield from in_one_table(desk.ledger)
    yield from body


def in_one_table(ledger: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """True minus shuffled of every method on every case, the best mean place first."""
    metric = "within_patient_auc"
    gaps = {n: [rows[n].gap(metric)["difference"] for rows in ledger.values()] for n in NAMES}
    places = np.argsort(np.argsort(-np.nan_to_num([gaps[n] for n in NAMES]), axis=0), axis=0) + 1
    mean = dict(zip(NAMES, places.mean(axis=1).tolist(), strict=True))
    yield "### In one table\n"
    yield "Within-patient AUC of the layer as it ships (for made-up nevi, of oddness alone), **true minus shuffled siblings**:\n"
    yield f"| method | {' | '.join(ledger)} | mean place |"
    yield "|---|" + "---|" * len(ledger) + "--:|"
    for name in sorted(NAMES, key=lambda n: mean[n]):
        cells = " | ".join(gap(rows[name], metric, 3) for rows in ledger.values())
        yield f"| {name} | {cells} | {mean[name]:.1f} |"
    yield ""


def cases(desk: Desk) -> Iterator[str]:
    """The sections of the single cases."""
    model = LesionModel()
    yield f"Lesion model `{model.files.name}` (sha256 `{model.files.sha256[:16]}`) where images are used.\n"
    yield from real("ISIC 2020, scores only", look_of_scores(table_2020(desk.data)), desk, SCORES_2020, guard=1.0)
    yield from real("ISIC 2024 sample, a network's score and measurements", table_2024(desk.data), desk, TABLE_2024)
    measured_only = scored_by_measurements(table_2024(desk.data))
    yield from real("ISIC 2024 sample, measurements only", measured_only, desk, MEASURED_2024)
    if desk.full is not None:
        yield from real("ISIC 2020, all images", images_full(desk.data, desk.full, desk.cache), desk, IMAGES_FULL)
    yield from made_up(desk)
    yield from real("ISIC 2020 images with their patients", images_2020(desk.data, desk.cache), desk, IMAGES_2020)
    if (tiles := images_3d(desk.data, desk.cache)) is not None:
        yield from real("Body-photography tiles with known patients", tiles, desk, TILES)


SCORES_2020 = """Out-of-fold scores of another team's EfficientNet-B2, ranked within fold, on {n:,} images of {patients:,} patients
with {positives} melanomas. A score is all there is: methods that compare looks are given three rising functions of it. Ranks being no probabilities, the guard
is off here."""
TABLE_2024 = """{n:,} tiles of {patients} patients, {positives} malignant, with a network's out-of-fold score. The patients are
*incomplete* (all malignant tiles, a sample of the benign), so that their number gives the label away: see the count control. The
published gain of context on the complete set is pAUC 0.118 to 0.144."""
MEASURED_2024 = """The same tiles, the score being what a logistic regression says of the measurements, out of fold by patient: {n:,} tiles,
{patients} patients, {positives} malignant. Closest to the published setting, but the siblings are incomplete here."""
IMAGES_2020 = """{n} images of {patients} patients, {positives} melanomas: **small and biased** (nearly all melanomas, few siblings:
most patients have one or two images here), and three quarters of the images trained the lesion model. It can show a fault, hardly a gain."""
IMAGES_FULL = """{n:,} images of {patients:,} patients, {positives} melanomas, none of whose patients the lesion model trained on."""
TILES = """{n} tiles of {patients} patients, {positives} malignant, by embeddings of a lesion model that never met such tiles.
**Small**, and the patients are incomplete."""


def rows_of(case: Case, scores: Mapping[str, Scores], kind: str, resamples: Resamples) -> list[Row]:
    """Judge every method's scores of one kind."""
    made = []
    for name, found in scores.items():
        series = getattr(found, kind)
        true, *wrong = [measured(case, s, resamples) for s in series]
        made.append(Row(name, true, averaged(wrong)))
    return made


def real(title: str, case: Case, desk: Desk, words: str, guard: float = 0.05) -> Iterator[str]:
    """A section on real patients."""
    rng = np.random.default_rng(1)
    resamples = Resamples(int(case.cluster.max()) + 1)
    shuffled = [strangers(case.cohort, rng) for _ in range(SHUFFLES)]
    found = kept(desk.cache, desk.key(title), lambda: real_parts(case, desk.networks, shuffled))
    scores = real_scores(case, found, guard)
    figures = {"n": len(case.labels), "patients": resamples.units, "positives": int(case.labels.sum())}
    yield f"### {title}\n"
    yield words.format(**figures) + "\n"
    fitted = ordered(rows_of(case, scores, "fitted", resamples), "auc")
    stated = {row.name: row for row in rows_of(case, scores, "stated", resamples)}
    base = {
        name: measured(case, s, resamples)
        for name, s in baselines(case).items()
        if case.extra.shape[1] or "metadata" not in name
    }
    desk.ledger[title] = stated
    yield from main_table(fitted, stated, base)
    if case.extra.shape[1]:
        above = ordered(rows_of(case, scores, "metadata", resamples), "auc")
        yield from metadata_table(above, base)


def ordered(rows: Sequence[Row], metric: str) -> list[Row]:
    """The best true minus shuffled first."""
    return sorted(rows, key=lambda r: -r.gap(metric)["difference"])


def main_table(
    fitted: Sequence[Row], stated: Mapping[str, Row], base: Mapping[str, Mapping[str, Estimate]]
) -> Iterator[str]:
    """Second stage out of fold (AUC, pAUC), the layer as it ships (within patients), and the controls."""
    within = next(iter(stated.values())).true["within_patient_auc"].n
    hits = next(iter(stated.values())).true["hit_at_1"].n
    yield f"AUC and pAUC: second stage on score and oddness, out of fold by patient. Within-patient AUC ({within} patients) and"
    yield f"hit@1 ({hits} patients with ten or more lesions): the layer as it ships.\n"
    yield "| method | **AUC, true minus shuffled** | AUC | pAUC | pAUC, true minus shuffled | within-patient AUC | true minus shuffled | hit@1 | true minus shuffled |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in fitted:
        ships = stated[row.name]
        yield (
            f"| {row.name} | **{gap(row, 'auc')}** | {cell(row.true['auc'])} | {cell(row.true['pauc'])} | {gap(row, 'pauc')} | "
            f"{cell(ships.true['within_patient_auc'])} | {gap(ships, 'within_patient_auc')} | {cell(ships.true['hit_at_1'])} | "
            f"{gap(ships, 'hit_at_1')} |"
        )
    for name, found in base.items():
        yield (
            f"| *{name}* | | {cell(found['auc'])} | {cell(found['pauc'])} | | {cell(found['within_patient_auc'])} | | "
            f"{cell(found['hit_at_1'])} | |"
        )
    yield ""


def metadata_table(rows: Sequence[Row], base: Mapping[str, Mapping[str, Estimate]]) -> Iterator[str]:
    """What is left of a gain beside age, sex and site."""
    without = base["no siblings, with metadata"]
    yield "On top of age, sex and site (second stage, out of fold by patient):\n"
    yield "| method | AUC, true minus shuffled | AUC | minus metadata without siblings |\n|---|---|---|---|"
    for row in rows:
        gain = spread(difference(row.true["auc"], without["auc"], 0.95))
        yield f"| {row.name} | {gap(row, 'auc')} | {cell(row.true['auc'])} | {gain} |"
    yield ""


def made_up(desk: Desk) -> Iterator[str]:
    """The section on made-up patients."""
    rng = np.random.default_rng(5)
    shelf = training_stock(desk.data, desk.cache, rng)
    training = join([make(shelf, level, s, rng) for level, _ in LEVELS for s in STRANGERS]).case(shelf)
    test = stock(desk.data, desk.cache, "test")
    cases = {
        (level, s): make(test, level, s, rng, repeats=REPEATS).case(test) for level, _ in LEVELS for s in STRANGERS
    }
    shuffled = {key: [strangers(case.cohort, rng) for _ in range(SHUFFLES)] for key, case in cases.items()}
    trained = learned_on(training, desk.networks)
    found: dict[tuple[str, str, str], Scores] = {}
    for key, case in cases.items():
        parts = kept(
            desk.cache,
            desk.key("made-up", *key),
            lambda c=case, k=key: trained_parts(c, trained, shuffled[k]),  # type: ignore[misc]
        )
        found |= {(name, *key): made for name, made in trained_scores(case, trained, parts).items()}
    yield "### Made-up patients\n"
    yield f"Each has 15 real HAM10000 nevi and one stranger, all of the lesion model's test split ({len(test.nevi)} nevi,"
    yield f"{len(test.melanomas)} melanomas), grouped by ImageNet features; methods learned from its training split. {REPEATS * len(test.melanomas)} patients"
    yield "of each kind. **These are no patients**: the table ranks methods and shows behaviour. Lesions recur, so intervals are too narrow.\n"
    for level, words in LEVELS:
        yield f"- *{level}*: {words}."
    yield ""
    for stranger in STRANGERS:
        yield from stranger_table(stranger, cases, found, desk.ledger)


def stranger_table(
    stranger: str,
    cases: Mapping[tuple[str, str], Case],
    found: Mapping[tuple[str, str, str], Scores],
    ledger: dict[str, dict[str, Row]],
) -> Iterator[str]:
    """Every method on one kind of stranger, at each level."""
    rows: dict[str, list[Row]] = {}
    resamples = Resamples(int(next(iter(cases.values())).cluster.max()) + 1)
    kind = "stated" if stranger == "melanoma" else "oddness"
    for name in NAMES:
        rows[name] = [
            rows_of(cases[level, stranger], {name: found[name, level, stranger]}, kind, resamples)[0]
            for level, _ in LEVELS
        ]
    pooled = {name: _pooled(r) for name, r in rows.items()}
    ledger[f"made-up patients, {stranger}"] = pooled
    order = sorted(NAMES, key=lambda name: -pooled[name].gap("within_patient_auc")["difference"])
    score = (
        "the adjusted score"
        if stranger == "melanoma"
        else "oddness alone (a score of melanoma cannot know this stranger)"
    )
    yield f"The stranger is a **{stranger}**, looked for by {score}:\n"
    heads = " | ".join(f"hit@1 {level} (true minus shuffled)" for level, _ in LEVELS)
    yield f"| method | **within-patient AUC, true minus shuffled, mean of levels** | within-patient AUC, mean | {heads} |"
    yield "|---|---|---|" + "---|" * len(LEVELS)
    for name in order:
        cells = " | ".join(f"{r.true['hit_at_1'].value:.2f} ({gap(r, 'hit_at_1', 2)})" for r in rows[name])
        yield f"| {name} | **{gap(pooled[name], 'within_patient_auc', 3)}** | {cell(pooled[name].true['within_patient_auc'])} | {cells} |"
    if stranger == "melanoma":
        alone = [
            measured(cases[level, stranger], cases[level, stranger].cohort.score, resamples) for level, _ in LEVELS
        ]
        mean = averaged(alone)
        cells = " | ".join(f"{e['hit_at_1'].value:.2f}" for e in alone)
        yield f"| *no siblings* | | {cell(mean['within_patient_auc'])} | {cells} |"
    yield "| *count alone* (all have 16) | | 0.500 | " + " | ".join(["0.06"] * len(LEVELS)) + " |\n"


def _pooled(rows: Sequence[Row]) -> Row:
    return replace(
        rows[0], true=averaged([dict(r.true) for r in rows]), shuffled=averaged([dict(r.shuffled) for r in rows])
    )


def gap(row: Row, metric: str, digits: int = 4) -> str:
    """True minus shuffled of a row, in words."""
    return spread(row.gap(metric), digits)


def spread(d: Mapping[str, float], digits: int = 4) -> str:
    """A difference with its interval."""
    if d["difference"] is None or d["difference"] != d["difference"]:
        return "undefined"
    return f"{d['difference']:+.{digits}f} [{d['low']:+.{digits}f}, {d['high']:+.{digits}f}]"


def cell(e: Estimate) -> str:
    """Value and interval."""
    m = e.as_json(0.95)
    return f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]" if m["value"] == m["value"] else "undefined"


if __name__ == "__main__":
    main()
