"""What is shown of a hosted challenge: board, teams, runs. The private side leaves here only when it is revealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row, func, select

from cygnet.challenge import board as boards
from cygnet.challenge.board import Entry, Score
from cygnet.challenge.store import log, tables
from cygnet.challenge.store.hosted import Challenge, Challenges, NotFoundError, challenge_of
from cygnet.challenge.store.runs import used

#: Digits that are shown while a challenge is open; each further one tells more of the public labels.
DIGITS: Final = 4
#: Runs that are read in one query.
_AT_ONCE: Final = 500
#: Columns beside the headline, in the board's order.
COLUMNS: Final = {
    "auc": "AUC of melanoma",
    "within_patient_auc": "Within-patient AUC",
    "hit_at_1": "hit@1",
    "hit_at_3": "hit@3",
    "review_per_melanoma_at_80": "Lesions per melanoma at 80 % sensitivity",
}


def board(store: Challenges, name: str, which: str | None = None) -> dict[str, Any]:
    """The board of a challenge, on the private side once it is revealed, else on the public one.

    Raises
    ------
    NotFoundError
        If there is no such challenge, or the private side is asked for and closed.
    """
    with store.database.read() as c:
        row = store.row(c, name)
        challenge = challenge_of(row)
        which = which or ("private" if challenge.revealed and challenge.public_images < challenge.images else "public")
        _allowed(challenge, which)
        version = c.execute(
            select(func.max(tables.access.c.id)).where(tables.access.c.challenge_id == challenge.id)
        ).scalar()
        kept = store.boards.get((name, which))
        if kept is not None and kept[0] == (version or 0):
            return kept[1]
        entries = _entries(store, c, challenge, which)
    made: dict[str, Any] = {
        "challenge": challenge.name,
        "title": challenge.task.title,
        "state": challenge.state,
        "side": which,
        "headline": challenge.task.headline,
        "headline_title": challenge.task.headline_title,
        "commitment": challenge.commitment,
        "images": challenge.public_images if which == "public" else challenge.images - challenge.public_images,
        "columns": [
            name
            for name in COLUMNS
            if name != challenge.task.headline and any(name in e.shown["columns"] for e in entries)
        ],
        "curves": challenge.task.melanoma is not None,
        "rows": boards.rows(entries, None if challenge.revealed else DIGITS),
        "version": version,
    }
    store.boards[name, which] = (version or 0, made)
    return made


def _allowed(challenge: Challenge, which: str) -> None:
    if which not in ("public", "private"):
        raise NotFoundError(f"there is no side {which!r}; there are public and private")
    if which == "private" and not challenge.revealed:
        raise NotFoundError(f"{challenge.name}: the private score opens when the challenge is revealed")


def _entries(store: Challenges, c: Connection, challenge: Challenge, which: str) -> list[Entry]:
    """One entry per team: its chosen run, or the latest that was scored where none was chosen."""
    r, t, a = tables.run.c, tables.team.c, tables.approach.c
    mine = (r.challenge_id == challenge.id, r.state == "scored")
    latest = select(r.team_id, func.max(r.id).label("run_id"), func.count().label("probes")).where(*mine)
    per_team = latest.group_by(r.team_id).subquery()
    found = c.execute(
        select(
            t.id.label("team_id"),
            t.name.label("team"),
            t.final_run_id,
            a.name.label("approach"),
            a.description,
            a.external_data,
            r.id.label("run"),
            r.number,
            r.sent_at,
            per_team.c.probes,
        )
        .select_from(per_team)
        .join(tables.team, t.id == per_team.c.team_id)
        .join(tables.run, r.id == func.coalesce(t.final_run_id, per_team.c.run_id))
        .join(tables.approach, a.id == r.approach_id)
    ).all()
    scores = _scores(store, c, challenge, which, [row.run for row in found])
    return [_entry(row, *scores[row.run]) for row in found]


def _scores(
    store: Challenges, c: Connection, challenge: Challenge, which: str, runs: list[int]
) -> dict[int, tuple[Score, dict[str, Any]]]:
    """Scores of runs with what stands beside them; only those are read that the last board did not have."""
    digits = None if challenge.revealed else DIGITS
    board = (challenge.name, which, challenge.revealed)
    known = store.scores.get(board, {})
    made = {run: known[run] for run in runs if run in known}
    r = tables.run.c
    result, drawn = (r.public, r.public_drawn) if which == "public" else (r.private, r.private_drawn)
    new = [run for run in runs if run not in made]
    for k in range(0, len(new), _AT_ONCE):
        some = select(r.id, result.label("result"), drawn.label("drawn")).where(r.id.in_(new[k : k + _AT_ONCE]))
        for row in c.execute(some):
            found = row.result or {}
            beside = {"columns": found.get("columns", {}), "subgroups": found.get("subgroups", [])}
            score = Score(found.get("value"), np.frombuffer(row.drawn or b"", np.float32))
            made[row.id] = (score, rounded(beside, digits))
    store.scores[board] = made
    return made


def _entry(row: Any, score: Score, beside: dict[str, Any]) -> Entry:
    shown = {
        "team": row.team,
        "team_id": row.team_id,
        "approach": row.approach,
        "description": row.description,
        "external_data": row.external_data,
        "run": row.run,
        "number": row.number,
        "chosen": row.final_run_id == row.run,
        "sent_at": row.sent_at,
        **beside,
    }
    return Entry(score, row.probes, shown)


def by_subgroup(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The subgroups of a board's rows as tables: for each variable and metric the groups with their counts, and of each team
    that has them a cell for each group."""
    made: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        for variable in row["subgroups"]:
            title = variable.get("title", "")
            groups = {g["group"]: g for g in variable["groups"]}
            table = made.setdefault(
                (variable["variable"], title),
                {"variable": variable["variable"], "title": title, "groups": groups, "rows": []},
            )
            table["rows"].append({"team": row["team"], "cells": [groups.get(name) for name in table["groups"]]})
    return [{**table, "groups": list(table["groups"].values())} for table in made.values()]


def rounded(value: Any, digits: int | None) -> Any:
    """Every float within a JSON value, rounded."""
    if digits is None:
        return value
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v, digits) for v in value]
    return round(value, digits) if isinstance(value, float) else value


def team(store: Challenges, name: str, team_id: int, *, own: bool) -> dict[str, Any]:
    """A team with its approaches and the history of its runs; ``own`` adds what only its members may see: file names,
    problems, members and what is left of the quota.

    Raises
    ------
    NotFoundError
        If the challenge has no such team.
    """
    with store.database.read() as c:
        challenge = challenge_of(store.row(c, name))
        t = tables.team.c
        found = c.execute(select(tables.team).where(t.id == team_id, t.challenge_id == challenge.id)).first()
        if found is None:
            raise NotFoundError(f"{name} has no team {team_id}")
        r, a = tables.run.c, tables.approach.c
        joined = tables.run.join(tables.approach, a.id == r.approach_id)
        rows = c.execute(
            select(tables.run, a.name.label("approach")).select_from(joined).where(r.team_id == team_id).order_by(r.id)
        ).all()
        approaches = c.execute(select(a.name, a.description, a.external_data).where(a.team_id == team_id)).all()
        made: dict[str, Any] = {
            "challenge": name,
            "title": challenge.task.title,
            "state": challenge.state,
            "headline_title": challenge.task.headline_title,
            "team": found.name,
            "team_id": team_id,
            "final_run": found.final_run_id,
            "approaches": [dict(x._mapping) for x in approaches],
            "runs": [_run(row, challenge, own=own) for row in rows if own or row.state == "scored"],
        }
        if own:
            recent, whole = used(c, team_id)
            members = select(tables.member.c.account).where(tables.member.c.team_id == team_id)
            made["members"] = sorted(c.execute(members).scalars())
            made["used"] = {"day": recent, "all": whole}
            made["limits"] = {"day": challenge.hosting.per_day, "all": challenge.hosting.total}
    return made


def run(store: Challenges, run_id: int, *, own: bool) -> dict[str, Any]:
    """One run as its team (``own``) or others may see it.

    Raises
    ------
    NotFoundError
        If there is none, or it is not for others.
    """
    with store.database.read() as c:
        r, a = tables.run.c, tables.approach.c
        joined = tables.run.join(tables.approach, a.id == r.approach_id)
        row = c.execute(select(tables.run, a.name.label("approach")).select_from(joined).where(r.id == run_id)).first()
        if row is None or not (own or row.state == "scored"):
            raise NotFoundError(f"no run {run_id}")
        found = c.execute(select(tables.challenge).where(tables.challenge.c.id == row.challenge_id)).one()
    challenge = challenge_of(found)
    return {"challenge": challenge.name, "team_id": row.team_id, **_run(row, challenge, own=own)}


def _run(row: Row[Any], challenge: Challenge, *, own: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "run": row.id,
        "number": row.number,
        "approach": row.approach,
        "state": row.state,
        "sent_at": row.sent_at,
        "scored_at": row.scored_at,
        "public": _result(row.public, None if challenge.revealed else DIGITS),
    }
    if challenge.revealed:
        made["private"] = _result(row.private, None)
    if own:
        made |= {"file_name": row.file_name, "file_sha256": row.file_sha256, "problems": row.problems or []}
    return made


def _result(result: dict[str, Any] | None, digits: int | None) -> dict[str, Any] | None:
    if result is None:
        return None
    kept = ("value", "low", "high", "n", "images", "unit", "units", "columns", "note")
    made: dict[str, Any] = rounded({k: result[k] for k in kept if k in result}, digits)
    return made


def access_log(store: Challenges, name: str) -> dict[str, Any]:
    """How often the public side was looked at, by team, and what that does to an interval; with every event."""
    with store.database.read() as c:
        challenge = challenge_of(store.row(c, name))
        events = log.read(c, challenge.id)
    probes: dict[str, int] = {}
    for event in events:
        if event["what"] == "probe":
            probes[event["team"]] = probes.get(event["team"], 0) + 1
    teams = [
        {"team": name, "probes": n, "widening": round(boards.widening(n), 3)}
        for name, n in sorted(probes.items(), key=lambda item: (-item[1], item[0]))
    ]
    total = sum(probes.values())
    return {
        "challenge": name,
        "probes": total,
        "widening": round(boards.widening(total), 3),
        "teams": teams,
        "events": events,
    }
