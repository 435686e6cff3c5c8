"""How fast context is: every method, its scaling, beside scikit-learn's local outlier factor in a loop over patients.

python benchmarks/context_speed.py [--patients 50000] [--lesions 1000000] [--one 10000] [--out docs/benchmarks-context.md]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peak import peak_mb

from cygnet.context import Cohort, Method, in_context, learn
from cygnet.context.methods import local_outlier_factor, neighbours_for
from cygnet.triage.context_methods import NAMES, context_method

Floats = NDArray[np.float64]
WIDTH, MEASURES = 64, 7


def main() -> None:
    """Measure and print; ``--worker`` measures one thing in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--lesions", type=int, default=1_000_000)
    parser.add_argument("--one", type=int, default=10_000, help="lesions of the one large patient")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file as well")
    parser.add_argument("--worker", nargs=3, metavar=("METHOD", "PATIENTS", "LESIONS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        name, patients, lesions = args.worker
        print(json.dumps(measure(context_method(name).method, int(patients), int(lesions))))
        return
    lines = []
    for line in page(args.patients, args.lesions, args.one):
        print(line, flush=True)
        lines.append(line)
    if args.out:
        part = args.out.with_suffix(".part")
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        part.replace(args.out)


def page(patients: int, lesions: int, one: int) -> Iterator[str]:
    """The Markdown lines."""
    yield "# Context\n"
    yield f"Made-up lesions with a score, {MEASURES} measurements, an embedding of {WIDTH} numbers and a site; {platform.machine()}, two cores,"
    yield f"Python {platform.python_version()}, numpy {np.__version__}. Written by `python benchmarks/context_speed.py --out docs/benchmarks-context.md`.\n"
    yield "Learning what is usual, comparing, oddness, adjusted scores, ranks, families:\n"
    yield f"| method | seconds, {lesions:,} lesions in {patients:,} patients | lesions/s | peak MB | seconds, {one:,} lesions of one patient | peak MB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name in NAMES:
        many, single = apart(name, patients, lesions), apart(name, 1, one)
        yield (
            f"| {name} | {many['seconds']:.1f} | {lesions / many['seconds']:,.0f} | {many['mb']:,.0f} | "
            f"{single['seconds']:.1f} | {single['mb']:,.0f} |"
        )
    yield "\nThe learned set transformer leaves patients with more than 1,000 lesions to robust_z.\n"
    yield "Cost against lesions, robust_z (the same number per patient) and against lesions per patient (one patient):\n"
    yield "| lesions | seconds | lesions of one patient | seconds |\n|--:|--:|--:|--:|"
    for part in (8, 4, 2, 1):
        many, single = apart("robust_z", patients // part, lesions // part), apart("robust_z", 1, one // part)
        yield f"| {lesions // part:,} | {many['seconds']:.2f} | {one // part:,} | {single['seconds']:.2f} |"
    yield "\nLocal outlier factor beside scikit-learn's `LocalOutlierFactor` called for each patient, the same neighbours, both on one core:\n"
    yield "| lesions | patients | scikit-learn | cygnet | ratio | largest relative difference |\n|--:|--:|--:|--:|--:|--:|"
    for groups, size in ((2000, 15), (300, 60)):
        yield beside_scikit_learn(groups, size)


def apart(name: str, patients: int, lesions: int) -> dict[str, float]:
    """Seconds and peak memory of one measurement in a process of its own."""
    command = [sys.executable, __file__, "--worker", name, str(patients), str(lesions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(method: Method, patients: int, lesions: int) -> dict[str, float]:
    """Learn and judge made-up lesions."""
    cohort = made(patients, lesions)
    started = time.perf_counter()
    in_context(cohort, *learn(cohort, method))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "mb": peak_mb()}


def made(patients: int, lesions: int) -> Cohort:
    """Lesions spread over patients of different sizes, in no order."""
    rng = np.random.default_rng(0)
    owner = rng.integers(0, patients, lesions)
    return Cohort.build(
        owner,
        rng.normal(-4, 1, lesions),
        embedding=rng.standard_normal((lesions, WIDTH), np.float32),
        measurements=rng.normal(size=(lesions, MEASURES)),
        site=rng.integers(-1, 5, lesions),
    )


def beside_scikit_learn(patients: int, size: int) -> str:
    """One row of the comparison; both with one thread, and both results checked against each other."""
    from sklearn.neighbors import LocalOutlierFactor
    from threadpoolctl import threadpool_limits

    points = np.random.default_rng(0).normal(size=(patients, size, WIDTH))
    k = neighbours_for(size)

    def loop() -> Floats:
        return np.stack([-LocalOutlierFactor(n_neighbors=k, n_jobs=1).fit(p).negative_outlier_factor_ for p in points])

    with threadpool_limits(limits=1):
        theirs, slow = timed(loop)
        mine, fast = timed(lambda: local_outlier_factor(points, k))
    apart_by = float(np.abs(mine / theirs - 1).max())
    return f"| {patients * size:,} | {patients:,} | {slow:.2f} s | {fast:.2f} s | {slow / fast:.0f} | {apart_by:.1e} |"


def timed(work: Callable[[], Floats]) -> tuple[Floats, float]:
    """The result and the seconds it took."""
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


if __name__ == "__main__":
    main()
