"""How fast clustered intervals are, beside a loop over scikit-learn, and what they cost in time and memory.

python benchmarks/evaluate.py [--replicates 2000] [--checked 20] [--largest 1000000] [--out FILE]

Rows are made up: clustered by patient, as many and as rare as in the SIIM-ISIC 2020 training set. The peer repeats every
metric on each resample: scikit-learn with the resample's counts as weights, and plain numpy patient by patient for what
scikit-learn does not have. It is timed on ``--checked`` resamples, which must give the same numbers to 1e-9, and its time
is scaled to all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peak import peak_mb
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.judge import from_curve
from cygnet.evaluation.patients import MIN_LESIONS, by_patient, mean_over
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]
ROWS, PATIENTS, MELANOMAS = 26_499, 1_644, 470
CURVE = ("auc", "pauc", "average_precision")
METRICS = (*CURVE, "within_patient_auc", "hit_at_1", "hit_at_3")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--checked", type=int, default=20, help="resamples that the scikit-learn loop is timed on")
    parser.add_argument("--largest", type=int, default=1_000_000, help="rows of the largest whole evaluation")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file, too")
    parser.add_argument("--whole", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.whole:
        print(json.dumps(whole(args.whole, args.replicates)))
        return
    sizes = [n for n in (10_000, 100_000, 1_000_000) if n <= args.largest]
    costs = [fresh(n, args.replicates) for n in sizes]
    page = "\n\n".join(
        [
            f"# Intervals\n\nOne core of {os.cpu_count()}, {args.replicates:,} resamples of patients, made-up rows. "
            "Written by `python benchmarks/evaluate.py --out docs/benchmarks-evaluate.md`.",
            table(
                f"AUC, pAUC, average precision, within-patient AUC, hit@1 and hit@3 of {ROWS:,} rows, {PATIENTS:,} "
                f"patients, {MELANOMAS} melanomas; the loop is timed on {args.checked} resamples and scaled",
                ("what", "seconds", "ratio"),
                against_a_loop(args.replicates, args.checked),
            ),
            table(
                "A whole evaluation (every metric, curves with bands) in a process of its own",
                ("rows", "patients", "seconds", "peak MB"),
                costs,
            ),
        ]
    )
    print(page)
    if args.out:
        picture = args.out.parent / "img" / "evaluate-cost.svg"
        plot(costs, picture)
        page += f"\n\n![Seconds against rows, both logarithmic: about a straight line of slope one](img/{picture.name})"
        args.out.write_text(page + "\n", encoding="utf-8")


def plot(costs: list[tuple[str, ...]], out: Path) -> None:
    """Seconds against rows, on logarithmic axes."""
    import matplotlib
    from matplotlib.figure import Figure

    rows, seconds = ([float(cost[k].replace(",", "")) for cost in costs] for k in (0, 2))
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.loglog(rows, seconds, marker="o", color="#0072b2", label="measured")
    axes.loglog(rows, [seconds[-1] * r / rows[-1] for r in rows], color="grey", linestyle=":", label="in proportion")
    axes.set(xlabel="rows", ylabel="seconds for 2,000 resamples")
    axes.legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "cygnet"}):
        figure.savefig(out, metadata={"Date": None})


def table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """One Markdown table under its title."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"{title}:", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])


def made_up(rows: int, patients: int, melanomas: int, seed: int = 1) -> tuple[Study, Floats]:
    """A study of patients of very unequal size, with probabilities that know something."""
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0, 1, patients)
    spare = rng.choice(patients, rows - patients, p=share / share.sum())
    member = np.sort(np.r_[np.arange(patients), spare])
    risk = rng.gumbel(size=rows) + rng.normal(size=patients)[member]
    labels = np.zeros(rows, bool)
    labels[np.argsort(-risk)[:melanomas]] = True
    evidence = rng.normal(size=rows) + 1.5 * labels + 0.5 * rng.normal(size=patients)[member] - 4
    scores = 1 / (1 + np.exp(-evidence))
    images = tuple(f"i{k}" for k in range(rows))
    return Study(images, labels, {"model": scores}, "patient", member, patient=member), scores


def ours(study: Study, scores: Floats, resamples: Resamples) -> dict[str, Floats]:
    """Every replicate of ``METRICS``: (r,) each."""
    estimates, _ = from_curve(study, scores, resamples, names=CURVE)
    assert study.patient is not None
    found = by_patient(scores, study.labels, study.patient)
    large = found.lesions >= MIN_LESIONS
    per_patient = [found.auc, *(np.where(large, found.hit(k), np.nan) for k in (1, 3))]
    blocks = [[mean_over(v, found.patient, c) for v in per_patient] for c in resamples.blocks(64)]
    within = [np.concatenate([block[k] for block in blocks]) for k in range(3)]
    return {**{name: e.replicates for name, e in estimates.items()}, **dict(zip(METRICS[3:], within, strict=True))}


def loop(study: Study, scores: Floats, resamples: Resamples, checked: int) -> Iterator[tuple[float, ...]]:
    """``METRICS`` of the first ``checked`` resamples, each computed anew."""
    y, flipped = ~study.labels, -scores
    rows_of = np.split(np.arange(len(scores)), np.flatnonzero(np.diff(study.member)) + 1)
    for counts in Resamples(resamples.units, checked, resamples.seed).blocks(1):
        w = counts[0][study.member]
        lowest = 0.5 * 0.2**2
        partial = roc_auc_score(y, flipped, max_fpr=0.2, sample_weight=w)
        yield (
            roc_auc_score(study.labels, scores, sample_weight=w),
            lowest + (0.2 - lowest) / 0.5 * (partial - 0.5),
            average_precision_score(study.labels, scores, sample_weight=w),
            *patient_by_patient(study.labels, scores, rows_of, counts[0]),
        )


def patient_by_patient(
    labels: NDArray[np.bool_], scores: Floats, rows_of: list[NDArray[np.intp]], counts: NDArray[np.float32]
) -> tuple[float, float, float]:
    """Within-patient AUC, hit@1 and hit@3 of the patients drawn; scores hold no ties."""
    aucs, first, third = [], [], []
    for rows, drawn in zip(rows_of, counts.astype(int), strict=True):
        y = labels[rows]
        if not drawn or not y.any():
            continue
        s = scores[rows]
        if not y.all():
            aucs += [(s[y][:, None] > s[~y]).mean()] * drawn
        if len(rows) >= MIN_LESIONS:
            order = y[np.argsort(-s)]
            first += [order[0]] * drawn
            third += [order[:3].any()] * drawn
    return float(np.mean(aucs)), float(np.mean(first)), float(np.mean(third))


def against_a_loop(replicates: int, checked: int) -> list[tuple[str, ...]]:
    """Both on one core, the same resamples, the same numbers."""
    study, scores = made_up(ROWS, PATIENTS, MELANOMAS)
    resamples = Resamples(study.units, replicates)
    with threadpool_limits(limits=1):
        spent = []
        for _ in range(3):
            started = time.perf_counter()
            found = ours(study, scores, resamples)
            spent.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = np.array(list(loop(study, scores, resamples, checked)))
        slow = (time.perf_counter() - started) * replicates / checked
    for k, name in enumerate(METRICS):
        assert len(found[name]) == replicates
        np.testing.assert_allclose(found[name][:checked], expected[:, k], rtol=0, atol=1e-9, err_msg=name)
    return [
        ("loop over scikit-learn and numpy", f"{slow:.0f}", "1"),
        ("cygnet", f"{min(spent):.2f}", f"{slow / min(spent):.0f} times as fast"),
    ]


def patients_of(rows: int) -> int:
    """Twenty images each."""
    return rows // 20


def fresh(rows: int, replicates: int) -> tuple[str, ...]:
    """A process of its own: seconds and peak memory."""
    command = [sys.executable, __file__, "--whole", str(rows), "--replicates", str(replicates)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=alone)
    seconds, peak = json.loads(done.stdout)
    return f"{rows:,}", f"{patients_of(rows):,}", f"{seconds:.1f}", f"{peak:.0f}"


def whole(rows: int, replicates: int) -> tuple[float, float]:
    """Seconds of an evaluation, and the peak of this process in MB."""
    from cygnet.evaluation.evaluate import Plan, evaluate

    study, _ = made_up(rows, patients_of(rows), rows // 56)
    started = time.perf_counter()
    evaluate(study, Plan(replicates))
    spent = time.perf_counter() - started
    return spent, peak_mb()


if __name__ == "__main__":
    main()
