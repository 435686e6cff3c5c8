"""Speed of scoring, beside isic-challenge-scoring in the same run: writes docs/benchmarks-scoring.md.

    CYGNET_SCORING_PYTHON=/path/to/python3.13 python benchmarks/scoring.py [--quick]

The peer needs Python 3.13 (``pip install isic-challenge-scoring==5.8.0 'numpy<2.5'``); without it only Cygnet is measured.
Both read the same files, the best of several rounds counts, and the rounds alternate. All files are drawn from a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

ROOT: Final = Path(__file__).resolve().parent.parent
OUT: Final = ROOT / "docs" / "benchmarks-scoring.md"
ROWS: Final = 10_982
#: Runs in the peer's interpreter: best seconds of ``rounds`` for one case, files included.
_PEER: Final = """
import json, pathlib, sys, time
from isic_challenge_scoring import ClassificationMetric, ClassificationScore, SegmentationScore
kind, truth, mine, rounds = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
taken = []
for _ in range(rounds):
    begun = time.perf_counter()
    if kind == "masks":
        score = SegmentationScore.from_dir(truth, mine)
    else:
        score = ClassificationScore.from_file(truth, mine, ClassificationMetric(kind))
    taken.append(time.perf_counter() - begun)
print(json.dumps([min(taken), score.overall]))
"""


def best(rounds: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of several rounds in seconds, and what the work returned."""
    taken, made = [], None
    for _ in range(rounds):
        begun = time.perf_counter()
        made = work()
        taken.append(time.perf_counter() - begun)
    return min(taken), made


def peer(kind: str, truth: Path, mine: Path, rounds: int) -> tuple[float, float] | None:
    """Seconds and score of isic-challenge-scoring, None where it cannot be run."""
    python = os.environ.get("CYGNET_SCORING_PYTHON")
    if not python:
        return None
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(
        [python, "-c", _PEER, kind, str(truth), str(mine), str(rounds)],
        capture_output=True,
        text=True,
        check=True,
        env=clean,
    )
    seconds, overall = json.loads(done.stdout)
    return float(seconds), float(overall)


def tables(place: Path, digits: int) -> tuple[Path, Path]:
    """A truth and a submission of seven diagnoses, to so many digits: the peer thins out each ROC curve, which takes long
    where no two predictions are alike."""
    from cygnet.challenge.tasks import task

    rng = np.random.default_rng(1)
    classes = task("isic2018-task3").classes
    hot = np.eye(7)[np.r_[np.arange(7), rng.choice(7, ROWS - 7, p=[0.11, 0.67, 0.05, 0.03, 0.11, 0.01, 0.02])]]
    given = np.round(np.clip(rng.beta(1, 3, hot.shape) + 0.3 * hot * rng.random(hot.shape), 0, 1), digits)
    images = [f"ISIC_{k:07d}" for k in range(ROWS)]
    paths = place / f"truth-{digits}.csv", place / f"mine-{digits}.csv"
    for path, each in zip(paths, (hot, given), strict=True):
        values: NDArray[np.float64] = np.asarray(each)
        pl.DataFrame({"image": images, **{c: values[:, k] for k, c in enumerate(classes)}}).write_csv(path)
    return paths


def masks(place: Path, n: int) -> tuple[Path, Path]:
    """Folders of truths and submissions, 600 x 450 PNG, 8 bits."""
    from cygnet.imaging.png import mask_png

    rng = np.random.default_rng(2)
    y, x = np.mgrid[0 : 1 : 450 * 1j, 0 : 1 : 600 * 1j]

    def draw() -> NDArray[np.bool_]:
        wave = 0.02 * np.sin(24 * x + rng.uniform(0, 6)) * np.sin(18 * y + rng.uniform(0, 6))
        return np.asarray(
            (x - rng.uniform(0.4, 0.6)) ** 2 + (y - rng.uniform(0.4, 0.6)) ** 2 + wave < rng.uniform(0.03, 0.1)
        )

    folders = (place / f"truth-{n}", place / f"mine-{n}")
    for folder in folders:
        folder.mkdir()
    drawn = [mask_png(draw()) for _ in range(61)]  # reading takes as long when some are alike
    for k in range(n):
        for turn, folder in enumerate(folders):
            (folder / f"ISIC_{k:07d}_segmentation.png").write_bytes(drawn[(k * (turn + 1) + turn) % len(drawn)])
    return folders


def classification(place: Path, rounds: int) -> list[dict[str, Any]]:
    """Reading and scoring, and 2,000 bootstrap replicates on top."""
    from cygnet.challenge.estimate import estimate
    from cygnet.challenge.packed import Source
    from cygnet.challenge.scoring import read_answer, score
    from cygnet.challenge.tasks import task
    from cygnet.challenge.truth import truth_of
    from cygnet.evaluation.bootstrap import Resamples

    wanted, made = task("isic2018-task3"), []
    for digits in (2, 6):
        truth, mine = tables(place, digits)
        seconds, found = best(rounds * 4, partial(score, wanted, truth, mine))
        theirs = peer("balanced_accuracy", truth, mine, rounds if digits == 2 else 1)
        assert theirs is None or abs(found.overall - theirs[1]) < 1e-9
        what = f"{ROWS:,} rows of seven diagnoses, {digits} digits, files included"
        made.append({"what": what, "cygnet": seconds, "peer": theirs and theirs[0], "aim": "10 times"})

    def drawn() -> Any:
        known = truth_of(wanted, truth)
        return estimate(known, read_answer(known, Source.of(mine)), Resamples(known.units, 2000))

    boot, _ = best(rounds, drawn)
    what = "the latter with 2,000 bootstrap replicates"
    return [*made, {"what": what, "cygnet": boot, "peer": None, "aim": "under 1 s"}]


def segmentation(place: Path, sizes: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    """Pairs of masks; the peer is asked for the first size only, since its time grows with the square."""
    from cygnet.challenge.scoring import score
    from cygnet.challenge.tasks import task

    made = []
    for k, n in enumerate(sizes):
        truth, mine = masks(place, n)
        seconds, found = best(rounds if k == 0 else 1, partial(score, task("isic2018-task1"), truth, mine))
        theirs = peer("masks", truth, mine, 1) if k == 0 else None
        assert theirs is None or abs(found.overall - theirs[1]) < 1e-9
        made.append(
            {
                "what": f"{n:,} pairs of 600 x 450 PNG",
                "cygnet": seconds,
                "peer": theirs and theirs[0],
                "aim": "6 times" if k == 0 else "linear",
            }
        )
    return made


def board(place: Path, entries: int, rounds: int) -> list[dict[str, Any]]:
    """The page of a board of many teams through the whole app: after a new run, and when nothing is new."""
    from cygnet.archive import Archive
    from cygnet.challenge.store.hosted import Challenges

    Archive.init(place / "archive").close()
    store = Challenges(place / "archive" / "site")
    _fill(store, place, entries)
    store.close()
    found = asyncio.run(_asked(place / "archive", rounds))
    looks = ("the first after a start", "after a new run", "nothing new")
    return [
        {"what": f"page of a board of {entries:,}, {look}", "cygnet": taken, "peer": None, "aim": aim}
        for look, taken, aim in zip(looks, found, ("", "under 0.2 s", "under 0.2 s"), strict=True)
    ]


def _fill(store: Any, place: Path, entries: int) -> None:
    """One scored run, copied to many teams with values of their own."""
    from cygnet.challenge.store import runs, tables

    rng = np.random.default_rng(3)
    names, labels = [f"L{k}" for k in range(400)], rng.random(400) < 0.2
    frame = pl.DataFrame(
        {"image": names, "patient_id": [f"P{k // 10}" for k in range(400)], "target": labels.astype(int)}
    )
    frame.write_csv(place / "board-truth.csv")
    store.create("board", {"kind": "ranking", "per_day": 0}, place / "board-truth.csv")
    store.open("board")
    mine = pl.DataFrame({"image": names, "target": rng.random(400)}).write_csv().encode()
    run = runs.send(store, "board", runs.join(store, "board", "team 0"), io.BytesIO(mine), "x.csv", approach="first")
    runs.score_run(store, run)
    with store.database.write() as c:
        first = dict(c.execute(tables.run.select()).one()._mapping)
        drawn = np.frombuffer(first["public_drawn"], np.float32)
        for k in range(1, entries):
            c.execute(tables.team.insert().values(id=k + 1, challenge_id=1, name=f"team {k}", created_at="2026"))
            c.execute(
                tables.approach.insert().values(id=k + 1, team_id=k + 1, name="first", description="", external_data="")
            )
            shift = float(rng.normal(0, 0.1))
            moved = (drawn + shift + rng.normal(0, 0.02, len(drawn))).astype(np.float32)
            public = {**first["public"], "value": first["public"]["value"] + shift}
            values = {**first, "id": run + k, "team_id": k + 1, "approach_id": k + 1, "public": public}
            c.execute(tables.run.insert().values({**values, "public_drawn": moved.tobytes()}))


def _another(store: Any, k: int) -> None:
    """A new scored run of team ``k``, of which the board knew another."""
    from cygnet.challenge.store import log, tables

    with store.database.write() as c:
        last = dict(c.execute(tables.run.select().where(tables.run.c.team_id == k)).first()._mapping)
        drawn = np.frombuffer(last["public_drawn"], np.float32) + np.float32(0.01)
        public = {**last["public"], "value": last["public"]["value"] + 0.01}
        values = {**last, "id": None, "number": last["number"] + 1, "public": public, "public_drawn": drawn.tobytes()}
        made = c.execute(tables.run.insert().values(values)).inserted_primary_key
        log.add(c, last["challenge_id"], "benchmark", "probe", team_id=k, run_id=made[0])


async def _asked(archive: Path, rounds: int) -> tuple[float, float, float]:
    """Seconds of the page at its first look, after a new run, and when nothing is new: the best of several."""
    import httpx

    from cygnet.web import Settings, create_app
    from cygnet.web.challenge.desk import desk_for

    first: list[float] = []
    fresh: list[float] = []
    again: list[float] = []
    for k in range(rounds):
        app = create_app(Settings(archive))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
        await client.get("/challenges")
        for taken in (first, fresh, again):
            if taken is fresh:
                _another(desk_for(app.state.site).store, 7 + k)
            begun = time.perf_counter()
            answer = await client.get("/challenges/board/board")
            taken.append(time.perf_counter() - begun)
            assert answer.text.count("<tr") > 100
        await client.aclose()
        app.state.site.close()
    return min(first), min(fresh), min(again)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs and rounds; nothing is written")
    args = parser.parse_args()
    busy = os.getloadavg()[0]
    rounds = 2 if args.quick else 5
    sizes = (100, 200) if args.quick else (1000, 10_000)
    with tempfile.TemporaryDirectory() as place:
        found = [
            *classification(Path(place), rounds),
            *segmentation(Path(place), sizes, rounds),
            *board(Path(place), 1000, rounds),
        ]
    lines = page(found, busy)
    print("\n".join(lines))
    if not args.quick:
        OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def page(found: list[dict[str, Any]], busy: float) -> list[str]:
    """The measurements as a page."""
    lines = [
        "# Speed of scoring",
        "",
        "Written by `python benchmarks/scoring.py`; do not edit by hand. Seconds, the best of several rounds, reading the files",
        "included. Peer: isic-challenge-scoring 5.8.0 on the same files in the same run; both give the same score.",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}; {busy:.1f} other processes wanted them",
        "when it began.",
        "",
        "| what | Cygnet | peer | times faster | aim |",
        "|---|--:|--:|--:|---|",
    ]
    for row in found:
        theirs = row["peer"]
        ratio = f"{theirs / row['cygnet']:.1f}" if theirs else "-"
        lines.append(
            f"| {row['what']} | {row['cygnet']:.4f} | {f'{theirs:.3f}' if theirs else '-'} | {ratio} | {row['aim']} |"
        )
    return lines


if __name__ == "__main__":
    main()
