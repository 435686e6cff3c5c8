"""What leaves the store as files: bundles, permanent snapshots, boards as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import select

from cygnet.challenge import bundle as bundles
from cygnet.challenge.store import tables
from cygnet.challenge.store.hosted import Challenge, Challenges, NotFoundError, challenge_of
from cygnet.challenge.store.views import COLUMNS, access_log, board
from cygnet.report.board_page import board_page
from cygnet.schema.files import replacing
from cygnet.schema.tables import harmless


def bundle(store: Challenges, run_id: int, which: str = "public") -> dict[str, Any]:
    """The signed score of one run on one side.

    Raises
    ------
    NotFoundError
        If the run was not scored, or its private side is closed.
    """
    with store.database.read() as c:
        row = c.execute(select(tables.run).where(tables.run.c.id == run_id)).first()
        if row is None or row.state != "scored":
            raise NotFoundError(f"run {run_id} has no score")
        found = c.execute(select(tables.challenge).where(tables.challenge.c.id == row.challenge_id)).one()
    challenge = challenge_of(found)
    result = row.public if which == "public" else row.private if challenge.revealed else None
    if result is None:
        raise NotFoundError(f"run {run_id} has no {which} score that is open")
    if not challenge.revealed:  # fine numbers would tell the public labels
        raise NotFoundError(f"{challenge.name}: bundles are given out when the challenge is revealed")
    content = bundles.content(
        challenge=challenge.name,
        task=challenge.task.as_json(),
        which=which,
        commitment=challenge.commitment,
        truth=found.truth_sha256,
        metadata=found.metadata_sha256,
        submission=row.file_sha256,
        result=result,
    )
    return bundles.signed(content, store.folder)


def table(made: dict[str, Any]) -> pl.DataFrame:
    """A board as rows of a table; text cells are harmless to spreadsheets."""
    rows = []
    for row in made["rows"]:
        above = row["above"] or {}
        flat = {
            k: row[k] for k in ("rank", "rank_low", "rank_high", "team", "approach", "number", "value", "low", "high")
        }
        flat |= {k: row[k] for k in ("probes", "probed_low", "probed_high", "tied")}
        flat |= {"difference_to_above": above.get("difference"), "p_adjusted": above.get("p_adjusted")}
        flat |= {name: row["columns"].get(name, {}).get("value") for name in COLUMNS if name in made["columns"]}
        rows.append({**flat, "external_data": row["external_data"], "sent_at": row["sent_at"]})
    return harmless(pl.DataFrame(rows, infer_schema_length=None)) if rows else pl.DataFrame({"rank": [], "team": []})


def snapshot(store: Challenges, name: str, folder: Path) -> list[Path]:
    """The boards that are open now as board-SIDE.json and .csv, and one board.html that opens anywhere, in ``folder``.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    challenge = store.get(name)
    sides = ["public"] + (["private"] if challenge.revealed and challenge.public_images < challenge.images else [])
    made = [board(store, name, which) for which in sides]
    written = []
    for which, found in zip(sides, made, strict=True):
        whole = {"challenge": challenge.task.as_json(), "hosting": challenge.hosting.as_json(), **found}
        written.append(_write(folder / f"board-{which}.json", json.dumps(whole, indent=1) + "\n"))
        written.append(_write(folder / f"board-{which}.csv", table(found).write_csv()))
    written.append(_write(folder / "board.html", _page(challenge, made, access_log(store, name)["probes"])))
    if challenge.revealed:
        written.append(_write(folder / "split.csv", store.split_document(name).decode()))
    return written


def _page(challenge: Challenge, made: list[dict[str, Any]], probes: int) -> str:
    said = {
        "title": challenge.task.title,
        "headline_title": challenge.task.headline_title,
        **{k: getattr(challenge, k) for k in ("images", "public_images", "state", "frozen_at", "commitment")},
    }
    return board_page(said, made, probes, COLUMNS)


def _write(file: Path, text: str) -> Path:
    with replacing(file) as part:
        part.write_text(text, encoding="utf-8")
    return file
