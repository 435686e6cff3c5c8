"""Run by test_faults.py in a process of its own, where forking is safe: writers that are killed, writers side by side.

python hard_times.py kills|writers PLACE [DB] NUMBER
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from conftest_archive import item, jpeg

from cygnet.archive import Archive
from cygnet.archive.ingest import run
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.run import Options

IMAGES = 20
OPTIONS = Options("CC-0", "Tests", actor="tester", publish=True, workers=2)


def images(start: int, n: int) -> list[Item]:
    return [
        item(f"{k}.jpg", jpeg(k, 40, 32), patient_id=f"P{k % 3}", lesion_id=f"L{k % 3}", sex="male")
        for k in range(start, start + n)
    ]


def in_child(place: str, items: list[Item]) -> int:
    """Fork a writer that ingests and leaves with 0; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with Archive.open(place) as archive:
            archive.ingest(items, "test", OPTIONS)
        status = 0
    finally:
        os._exit(status)


def kills(root: Path, number: int, db: str | None) -> dict[str, object]:
    """Kill a writer ``number`` times at random moments, each time checking what is left, and let it finish at the end."""
    run._BATCH = 4
    items = images(0, IMAGES)
    rng = random.Random(1)
    began = time.monotonic()
    Archive.init(root / "measure", db=None).close()
    os.waitpid(in_child(str(root / "measure"), items), 0)
    whole = time.monotonic() - began
    killed, left, problems, partial, reach = 0, 0, [], 0, whole / 6
    place = str(root / "archive")
    Archive.init(place, db=db).close()
    while killed < number:
        child = in_child(place, items)
        # A machine may be slower or faster than a moment ago: kills that all came too soon or too late move the next ones.
        time.sleep(rng.uniform(0.02, max(reach, 0.03)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with Archive.open(place) as archive:
            verdict = archive.verify()
            problems += verdict.problems
            n = len(archive)
            assert archive.count("public:true sex:male") <= n == archive.count("")
        if os.WIFSIGNALED(status):
            killed += 1
            partial += 0 < n < IMAGES
        reach *= 1.15 if n == 0 else 1.0
        if n == IMAGES:
            reach *= 0.8
            left += 1
            place = str(root / f"archive{left}") if db is None else place
            if db is None:
                Archive.init(place).close()
    assert os.waitstatus_to_exitcode(os.waitpid(in_child(place, items), 0)[1]) == 0
    with Archive.open(place) as archive:
        verdict = archive.verify()
        problems += verdict.problems
        temporary = list((Path(archive.blobs.url) / "tmp").glob("*"))
        return {
            "killed": killed,
            "partial": partial,
            "problems": problems,
            "images": len(archive),
            "temporary": len(temporary),
        }


def writers(root: Path, number: int, db: str | None) -> dict[str, object]:
    """``number`` writers at once, each with images of its own and three that all have."""
    place = str(root / "archive")
    Archive.init(place, db=db).close()
    children = [in_child(place, images(0, 3) + images(100 * (k + 1), 5)) for k in range(number)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    with Archive.open(place) as archive:
        verdict = archive.verify()
        return {
            "codes": codes,
            "images": len(archive),
            "problems": verdict.problems,
            "patients": archive.facets()["sex"]["buckets"],
            "public_ids": len({r["metadata"]["clinical"]["patient_id"] for r in archive.search("").results}),
        }


if __name__ == "__main__":
    what, folder, count, *rest = sys.argv[1:]
    result = {"kills": kills, "writers": writers}[what](Path(folder), int(count), rest[0] if rest else None)
    print(json.dumps(result))
