"""How fast the archive's catalogue answers at up to a million images, and how fast images come in.

python benchmarks/archive.py [--data ../shared/data] [--largest 1000000] [--db postgresql://...] [--ingest] [--out FILE]

Catalogue rows are made up: drawn with replacement from the rows of the 2020 and the 2019 training sets, as the schema reads them. Each real
row has an institution (2019: of its lesion's id; 2020: one of five, by patient), which sets its credit, licence and kinds of dermatoscope.
Diameters and days are drawn for each image. They have no files. ``--independent`` draws credit, licence, dermatoscope and skin
type anew for each image instead, which no real archive does and which makes as many profiles as possible. ``--db`` measures the
same on an empty PostgreSQL database beside SQLite; ``--ingest`` takes in the HAM10000 images with every check, into an empty archive and
at each size into the one that was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from archive_ingest import Look, Looks, crowd_table, into_empty, into_full
from sqlalchemy import func, select

from cygnet.archive import Archive, log
from cygnet.archive.ingest.commit import digest_of_image, profile_values
from cygnet.archive.profiles import count_moves, find_profiles
from cygnet.archive.tables import accession, image, lesion, patient, profile, sketch
from cygnet.schema.check import check
from cygnet.schema.tables import read

SIZES = (10_000, 100_000, 1_000_000)
QUERIES = (
    "",
    "sex:male",
    "diagnosis_1:Malignant",
    "diagnosis_3:Melanoma* public:true",
    "age_approx:[50 TO 70] AND sex:female AND anatom_site_1:Trunk",
    "-diagnosis_confirm_type:histopathology age_approx:{40 TO *]",
    "(diagnosis_1:Malignant OR fitzpatrick_skin_type:VI) AND copyright_license:CC-0",
    "NOT (sex:male OR anatom_site_1:*extremity) image_type:dermoscopic",
    "diagnosis_3:*asal* age_approx:[* TO 40]",
)
#: Conditions on single images, which are met one by one; measured apart.
ON_IMAGES = ("clin_size_long_diam_mm:[3 TO 4] sex:female", "isic_id:ISIC_00012*", "isic_id:*77", "patient_id:{patient}")
DERMATOSCOPES = ("contact polarized", "contact non-polarized", "non-contact polarized")
BATCH = 5000


class Made(NamedTuple):
    """A made-up image: its metadata, and the credit, licence and kind (0 to 6) of its institution."""

    record: dict[str, Any]
    credit: str
    licence: str
    kind: int


class Place(NamedTuple):
    """Where a batch belongs: accession, first of ``people`` patients and lesions, and the seed that made it."""

    accession: int
    first: int
    people: int
    seed: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CYGNET_DATA", "../shared/data")))
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="images in the largest catalogue")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--db", help="an empty PostgreSQL database to measure as well")
    parser.add_argument("--independent", action="store_true", help="as many profiles as possible")
    parser.add_argument("--ingest", action="store_true", help="take in the HAM10000 images")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file, with plots in img/ beside it")
    args = parser.parse_args()
    parts = [
        "# Archive: search and ingest\n\n"
        f"Written by `python benchmarks/archive.py --ingest --db postgresql://... --out docs/benchmarks-archive.md` on {os.cpu_count()} cores "
        f"(Python {platform.python_version()}); do not edit by hand, rerun it for yours."
    ]
    crowd: list[str] = []
    growth: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for name, db in (("SQLite", None), *([("PostgreSQL", args.db)] if args.db else [])):
        growth[name] = list(catalogues(args, db, parts, crowd))
    parts.append(growth_table(growth))
    if args.ingest:
        parts.append(crowd_table(crowd))
        with tempfile.TemporaryDirectory() as folder:
            parts.append(into_empty(args.data / "ham10000", Path(folder) / "archive"))
    page = "\n\n".join(parts)
    print(page)
    if args.out:
        picture = args.out.parent / "img" / "archive-growth.svg"
        plot(growth, picture)
        page += f"\n\n![Milliseconds against images for page, count, facets and deep page](img/{picture.name})"
        args.out.write_text(page + "\n", encoding="utf-8")


def catalogues(
    args: argparse.Namespace, db: str | None, parts: list[str], crowd: list[str]
) -> Iterator[tuple[int, dict[str, float]]]:
    """Medians at each size; the tables of the largest go to ``parts``, what ingest took at each to ``crowd``."""
    pool, repeats, kind = records(args.data), args.repeats, "SQLite" if db is None else "PostgreSQL"
    with tempfile.TemporaryDirectory() as folder, Archive.init(Path(folder) / "archive", db=db) as archive:
        filled, looks = 0, Looks(args.data / "ham10000", archive.blobs) if args.ingest else None
        for size in (n for n in SIZES if n <= args.largest):
            fill(archive, pool, size - filled, size, independent=args.independent, looks=looks)
            filled = size
            found = {q: times(archive, q, repeats) for q in QUERIES}
            yield (
                size,
                {k: statistics.median(t[k] for t in found.values()) for k in ("page", "count", "facets", "deep")},
            )
            if looks:
                crowd.append(into_full(kind, archive, args.data / "ham10000"))
        on_images = {q: times(archive, q, max(3, repeats // 3)) for q in with_patient(archive)}
        with archive.database.read() as connection:
            n = int(connection.execute(select(func.count()).select_from(profile)).scalar_one())
        head = f"{kind}, {filled:,} images, {n:,} profiles; median milliseconds of {repeats} calls"
        parts.append(table(head, found))
        parts.append(table(f"{kind}: conditions on single images", on_images))


def with_patient(archive: Archive) -> list[str]:
    """The queries on images, one with a patient who is there."""
    page = archive.search("patient_id:*", limit=1)
    who = page.results[0]["metadata"]["clinical"]["patient_id"]
    return [q.format(patient=who) for q in ON_IMAGES]


def times(archive: Archive, query: str, repeats: int) -> dict[str, float]:
    """Median milliseconds of the first page without and with its count, a page at nine tenths, the count, and facets."""
    from cygnet.archive import search as searching

    count = archive.count(query)
    with archive.database.read() as connection:
        last = connection.execute(select(image.c.id).order_by(image.c.id.desc()).limit(1)).scalar_one()
    deep = searching.Cursor(int(last * 0.9)).to_text()
    first = searching.Cursor(0).to_text()
    calls: dict[str, Callable[[], Any]] = {
        "page": lambda: archive.search(query, limit=100, cursor=first),
        "count": lambda: archive.count(query),
        "facets": lambda: archive.facets(query),
        "deep": lambda: archive.search(query, limit=100, cursor=deep),
    }
    found = {name: statistics.median(timed(call) for _ in range(repeats)) for name, call in calls.items()}
    return {**found, "matches": float(count)}


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def table(head: str, found: dict[str, dict[str, float]]) -> str:
    """One Markdown table."""
    lines = [
        f"{head}:",
        "",
        "| query | matches | page of 100 | page at 90 % | count | facets |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for query, t in found.items():
        cells = [f"{t[k]:.1f}" for k in ("page", "deep", "count", "facets")]
        shown = f"`{query}`".replace("|", "\\|") if query else "(all)"
        lines.append(f"| {shown} | {t['matches']:,.0f} | {' | '.join(cells)} |")
    middle = [f"{statistics.median(t[k] for t in found.values()):.1f}" for k in ("page", "deep", "count", "facets")]
    return "\n".join([*lines, f"| median | | {' | '.join(middle)} |"])


def growth_table(growth: dict[str, list[tuple[int, dict[str, float]]]]) -> str:
    """Medians over the queries by size."""
    lines = [
        "Growth, medians over the queries in milliseconds:",
        "",
        "| database | images | page | page at 90 % | count | facets |",
    ]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for name, sizes in growth.items():
        for size, t in sizes:
            lines.append(
                f"| {name} | {size:,} | {t['page']:.1f} | {t['deep']:.1f} | {t['count']:.1f} | {t['facets']:.1f} |"
            )
    return "\n".join(lines)


def records(data: Path) -> list[Made]:
    """Real rows as the schema reads them, with the terms of their institution; patients and lesions are left out."""
    pool: list[Made] = []
    rows = check(read(data / "tables" / "isic2020_train.csv")).rows
    for row in rows.iter_rows(named=True):
        pool.append(made(row, "2020" + "ABCDE"[zlib.crc32(str(row["patient_id"]).encode()) % 5]))
    rows = check(read(data / "tables" / "ISIC_2019_Training_Metadata.csv")).rows
    truth = check(read(data / "tables" / "ISIC_2019_Training_GroundTruth.csv")).rows
    assert rows["image"].to_list() == truth["image"].to_list()
    diagnoses = truth.select(c for c in truth.columns if c.startswith("diagnosis"))
    for row in rows.with_columns(diagnoses).iter_rows(named=True):
        pool.append(made(row, "2019" + str(row["lesion_id"])[:3]))
    return pool


def made(row: dict[str, Any], institution: str) -> Made:
    """A row with its institution's terms."""
    left = ("row", "image", "file", "patient_id", "lesion_id", "age_approx", "copyright_license", "attribution")
    record = {k: v for k, v in row.items() if v is not None and k not in left} | {"image_type": "dermoscopic"}
    mark = zlib.crc32(institution.encode())
    return Made(record, f"Department of Dermatology {institution}", ("CC-0", "CC-BY", "CC-BY-NC")[mark % 3], mark % 7)


def fill(
    archive: Archive, pool: list[Made], number: int, seed: int, *, independent: bool, looks: Looks | None = None
) -> None:
    """Add ``number`` catalogue rows without files, in batches as an ingest would; with ``looks`` to be compared with."""
    rng = np.random.default_rng(seed)
    people = max(1, number // 16)
    with archive.database.write() as connection:
        values = {
            "created": log.now(),
            "actor": "benchmark",
            "source": f"made up {seed}",
            "cohort": f"c{seed}",
            "options": "{}",
        }
        batch = int(connection.execute(accession.insert().values(**values).returning(accession.c.id)).scalar_one())
        rows: list[dict[str, Any]] = [
            {"public_id": f"IP_{seed}_{k}", "cohort": f"c{seed}", "private_id": str(k)} for k in range(people)
        ]
        connection.execute(patient.insert(), rows)
        last = int(connection.execute(select(func.max(patient.c.id))).scalar_one())
        first = last - people + 1
        rows = [
            {**r, "public_id": r["public_id"].replace("IP", "IL"), "patient_ref": first + k} for k, r in enumerate(rows)
        ]
        connection.execute(lesion.insert(), rows)
        first_lesion = int(connection.execute(select(func.max(lesion.c.id))).scalar_one()) - people + 1
    assert first_lesion == first
    for start in range(0, number, BATCH):
        n = min(BATCH, number - start)
        chosen = [varied(pool[k], rng, independent) for k in rng.integers(0, len(pool), n)]
        with archive.database.write() as connection:
            add(connection, chosen, Place(batch, first, people, seed), start, rng, looks)
    with archive.database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def varied(of: Made, rng: np.random.Generator, independent: bool) -> Made:
    """The record with fields that the tables lack."""
    record, kind = dict(of.record), int(rng.integers(0, 7)) if independent else of.kind
    # Institutions of kind 0 and 1 say nothing of the dermatoscope, others use one, those of kind 5 and 6 two.
    if kind > 1 and rng.random() < 0.9:
        record["dermoscopic_type"] = DERMATOSCOPES[kind % 3 if kind < 5 else int(rng.integers(0, 2))]
    if kind == 6 or (independent and rng.random() < 0.3):
        record["fitzpatrick_skin_type"] = ("I", "II", "III", "IV", "V", "VI")[min(5, int(rng.gamma(3, 0.6)))]
    if rng.random() < 0.2:
        record["clin_size_long_diam_mm"] = round(float(rng.gamma(4, 1.2)), 1)
    if rng.random() < 0.3:
        record["acquisition_day"] = int(rng.integers(0, 1500))
    if not independent:
        return Made(record, of.credit, of.licence, kind)
    credit = f"Hospital {'ABCDEFGHIJKL'[min(int(rng.geometric(0.3)), 12) - 1]}"
    return Made(record, credit, ("CC-0", "CC-BY", "CC-BY-NC")[int(rng.integers(0, 3))], kind)


def add(
    connection: Any, chosen: list[Made], place: Place, start: int, rng: np.random.Generator, looks: Looks | None
) -> None:
    """One batch with profiles, counts and log, as ingest writes them."""
    states = np.where(rng.random(len(chosen)) < 0.95, "published", "draft").tolist()
    wanted = [(s, profile_values(m.record, m.licence, m.credit)) for s, m in zip(states, chosen, strict=True)]
    profiles = find_profiles(connection, wanted)
    rows, digests, sketches = [], {}, {}
    for k, (one, profile_id) in enumerate(zip(chosen, profiles, strict=True), start=start):
        sha256 = hashlib.sha256(f"{place.seed}:{k}".encode()).hexdigest()
        isic_id = f"ISIC_{place.seed % 97:02d}{k:07d}"
        text = log.canonical(one.record)
        who = place.first + int(rng.integers(0, place.people))
        digests[isic_id] = digest_of_image(isic_id, 1, sha256, text, one.licence, one.credit)
        look = looks.draw(rng) if looks else Look(int(rng.integers(-(2**62), 2**62)), b"", sha256)
        sketches[isic_id] = look.sketch
        rows.append(
            {
                **dict.fromkeys(("original_sha256", "view_sha256", "pixels_sha256"), sha256),
                "thumbnail_sha256": look.thumbnail,
                **dict.fromkeys(("original_size", "view_size", "thumbnail_size"), 50_000),
                **{n: one.record.get(n) for n in ("acquisition_day", "clin_size_long_diam_mm")},
                "isic_id": isic_id,
                "profile_id": profile_id,
                "patient_ref": who,
                "lesion_ref": who,
                "accession_id": place.accession,
                "created": log.now(),
                "version": 1,
                "name": f"{k}.jpg",
                "original_type": "JPEG",
                "pixels_x": 1024,
                "pixels_y": 768,
                "phash": look.phash,
                "record": text,
                "contributed": "{}",
                "digest": digests[isic_id],
            }
        )
    connection.execute(image.insert(), rows)
    names = [row["isic_id"] for row in rows]
    ids = {
        r[0]: r[1] for r in connection.execute(select(image.c.isic_id, image.c.id).where(image.c.isic_id.in_(names)))
    }
    if looks:
        connection.execute(sketch.insert(), [{"image_id": ids[n], "vector": v} for n, v in sketches.items()])
    count_moves(connection, [(p, ids[name]) for p, name in zip(profiles, names, strict=True)])
    log.append(connection, "benchmark", "ingest", {"images": digests, "states": dict(zip(names, states, strict=True))})


def plot(growth: dict[str, list[tuple[int, dict[str, float]]]], out: Path) -> None:
    """Milliseconds against images, on logarithmic axes."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(growth) + 1, 3.2), layout="constrained")
    colours = {"page": "#0072b2", "deep": "#56b4e9", "count": "#d55e00", "facets": "#009e73"}
    for k, (name, sizes) in enumerate(growth.items(), start=1):
        axes = figure.add_subplot(1, len(growth), k)
        for what, colour in colours.items():
            axes.loglog([n for n, _ in sizes], [t[what] for _, t in sizes], marker="o", color=colour, label=what)
        axes.set(xlabel="images", ylabel="median milliseconds", title=name)
        axes.legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "cygnet"}):
        figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
