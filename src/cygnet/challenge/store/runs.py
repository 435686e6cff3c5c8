"""Runs: sent, counted against the quota, scored once and only once, chosen."""

from __future__ import annotations

import datetime
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from cygnet.challenge.judged import side
from cygnet.challenge.packed import Source
from cygnet.challenge.parts import part, truth_part
from cygnet.challenge.problems import Problem, RefusedError
from cygnet.challenge.scoring import read_answer
from cygnet.challenge.store import log, tables
from cygnet.challenge.store.hosted import Challenge, Challenges, NotFoundError, challenge_of
from cygnet.errors import CygnetError, InputError, OutputError

#: Bytes that a submission may have.
MOST: Final = 2 * 1024**3
#: Hours after which a claim is void even where its process seems alive.
_STALE: Final = 2


class QuotaError(InputError):
    """The team has no run left for now."""


def join(store: Challenges, name: str, team: str, account: str | None = None) -> int:
    """Make a team, or find it; with an account, the account becomes its first member. Its id.

    Raises
    ------
    InputError
        If the team is another's, or the account is in another team of the challenge.
    """
    team = team.strip()
    if not 1 <= len(team) <= 60 or not team.isprintable():
        raise InputError("a team needs a name of 1 to 60 letters")
    with store.database.write() as c:
        row = store.row(c, name)
        t, m = tables.team.c, tables.member.c
        found = c.execute(select(t.id).where(t.challenge_id == row.id, t.name == team)).scalar()
        mine = None
        if account is not None:
            mine = c.execute(select(m.team_id).where(m.challenge_id == row.id, m.account == account)).scalar()
            if mine is not None and mine != found:
                raise InputError("this account already is in another team of the challenge; one team each")
        if found is not None:
            if account is not None and mine is None:
                raise InputError(f"the team {team!r} exists; ask one of its members to add you, or choose another name")
            return int(found)
        made = c.execute(
            insert(tables.team).values(challenge_id=row.id, name=team, created_at=log.now())
        ).inserted_primary_key
        assert made is not None
        if account is not None:
            c.execute(insert(tables.member).values(challenge_id=row.id, account=account, team_id=made[0]))
        log.add(c, row.id, account or "organiser", "team", team, team_id=made[0])
        return int(made[0])


def add_member(store: Challenges, name: str, team_id: int, account: str, actor: str) -> None:
    """Add an account to a team; the caller has made sure that ``actor`` is in it."""
    with store.database.write() as c:
        row = store.row(c, name)
        m = tables.member.c
        if c.execute(select(m.team_id).where(m.challenge_id == row.id, m.account == account)).first():
            raise InputError(f"{account} already is in a team of this challenge")
        c.execute(insert(tables.member).values(challenge_id=row.id, account=account, team_id=team_id))
        log.add(c, row.id, actor, "member", account, team_id=team_id)


def team_of(store: Challenges, name: str, account: str) -> int | None:
    """The team of an account, None where it has none."""
    with store.database.read() as c:
        m = tables.member.c
        challenge_id = store.row(c, name).id
        found = c.execute(select(m.team_id).where(m.challenge_id == challenge_id, m.account == account)).scalar()
    return None if found is None else int(found)


def send(
    store: Challenges,
    name: str,
    team_id: int,
    stream: BinaryIO,
    file_name: str,
    *,
    approach: str,
    description: str = "",
    external_data: str = "",
    actor: str = "organiser",
) -> int:
    """Take a submission; it waits to be scored by ``score_run``. Its id.

    Raises
    ------
    InputError
        If the challenge takes none, the same file was scored before, or it is too large.
    QuotaError
        If the team has no run left; runs that were refused do not count.
    """
    challenge = store.get(name)
    _open(challenge)
    sha256 = store.files.put(stream, MOST)
    with store.database.write() as c:
        _open(challenge_of(store.row(c, name)))
        _quota(c, challenge, team_id)
        r = tables.run.c
        same = select(r.number).where(r.team_id == team_id, r.file_sha256 == sha256, r.state != "refused")
        if (number := c.execute(same).scalar()) is not None:
            raise InputError(f"the same file is this team's run {number}; nothing was counted")
        count = c.execute(select(func.coalesce(func.max(r.number), 0)).where(r.team_id == team_id)).scalar_one()
        made = c.execute(
            insert(tables.run).values(
                challenge_id=challenge.id,
                team_id=team_id,
                approach_id=_approach(c, team_id, approach, description, external_data),
                number=count + 1,
                state="waiting",
                file_sha256=sha256,
                file_name=Path(file_name.replace("\\", "/")).name[:120] or "submission",
                sent_at=log.now(),
                sent_by=actor,
            )
        ).inserted_primary_key
        assert made is not None
    store.told(name, {"what": "sent", "run": made[0]})
    return int(made[0])


def _open(challenge: Challenge) -> None:
    if not challenge.takes(datetime.datetime.now(datetime.UTC)):
        state = "closed" if challenge.state == "open" else challenge.state
        raise InputError(f"{challenge.name} is {state} and takes no submissions")


def used(c: Connection, team_id: int) -> tuple[int, int]:
    """Runs of a team that count, in the last 24 hours and in all."""
    r = tables.run.c
    counted = (r.team_id == team_id, r.state != "refused")
    day = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=24)).isoformat(timespec="milliseconds")
    whole = c.execute(select(func.count()).where(*counted)).scalar_one()
    recent = c.execute(select(func.count()).where(*counted, r.sent_at > day)).scalar_one()
    return int(recent), int(whole)


def _quota(c: Connection, challenge: Challenge, team_id: int) -> None:
    recent, whole = used(c, team_id)
    if challenge.hosting.per_day and recent >= challenge.hosting.per_day:
        raise QuotaError(f"{recent} runs in 24 hours are this challenge's limit; refused ones did not count")
    if challenge.hosting.total and whole >= challenge.hosting.total:
        raise QuotaError(f"{whole} runs are this challenge's limit; refused ones did not count")


def _approach(c: Connection, team_id: int, name: str, description: str, external: str) -> int:
    a = tables.approach.c
    name = (name.strip() or "first")[:80]
    values = {"description": description[:4000], "external_data": external[:2000]}
    found = c.execute(select(a.id).where(a.team_id == team_id, a.name == name)).scalar()
    if found is not None:
        said = {k: v for k, v in values.items() if v}
        if said:
            c.execute(update(tables.approach).where(a.id == found).values(said))
        return int(found)
    made = c.execute(insert(tables.approach).values(team_id=team_id, name=name, **values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def score_run(store: Challenges, run_id: int) -> str:
    """Score one run that waits, unless another process has it; the state that it is in then.

    The result is written only if this process still holds the run, so that it is counted once however often it is begun.
    """
    claim = f"{socket.gethostname()}|{os.getpid()}|{store.token}"
    with store.claiming:
        with store.database.write() as c:
            r = tables.run.c
            row = c.execute(select(tables.run).where(r.id == run_id)).first()
            if row is None:
                raise NotFoundError(f"no run {run_id}")
            if row.state not in ("waiting", "scoring") or (row.state == "scoring" and _held(store, row)):
                return str(row.state)
            taken = {"state": "scoring", "claim": claim, "claimed_at": log.now()}
            c.execute(update(tables.run).where(r.id == run_id).values(taken))
            of = select(tables.challenge.c.name).where(tables.challenge.c.id == row.challenge_id)
            name = c.execute(of).scalar_one()
        store.scoring.add(run_id)
    try:
        values = _judged(store, name, row)
        _written(store, row, claim, values)
    except BaseException:
        with suppress(OutputError), store.database.write() as c:  # another attempt may find it
            back = update(tables.run).where(r.id == run_id, r.claim == claim).values(state="waiting", claim=None)
            c.execute(back)
        raise
    finally:
        store.scoring.discard(run_id)
    store.told(name, {"what": values["state"], "run": run_id})
    return str(values["state"])


def _written(store: Challenges, row: Row[Any], claim: str, values: dict[str, Any]) -> None:
    r = tables.run.c
    with store.database.write() as c:
        mine = (r.id == row.id, r.claim == claim, r.state == "scoring")
        if c.execute(update(tables.run).where(*mine).values(**values, claim=None, scored_at=log.now())).rowcount:
            what = "probe" if values["state"] == "scored" else "refused"
            log.add(c, row.challenge_id, row.sent_by, what, row.file_sha256, team_id=row.team_id, run_id=row.id)


def _judged(store: Challenges, name: str, row: Row[Any]) -> dict[str, Any]:
    secret, challenge = store.secret(name), store.get(name)
    try:
        answer = read_answer(secret.truth, Source(row.file_name, store.files.path(row.file_sha256)))
    except RefusedError as error:
        return {"state": "refused", "problems": [p.as_json() for p in error.problems]}
    except (CygnetError, MemoryError) as error:
        problem = Problem("unreadable", str(error), "send it again")
        return {"state": "refused", "problems": [problem.as_json()]}
    made: dict[str, Any] = {"state": "scored", "problems": [p.as_json() for p in answer.warnings]}
    for which, rows in (("public", secret.public), ("private", ~secret.public)):
        if rows.any():
            truth = truth_part(secret.truth, rows)
            found = side(truth, part(answer, secret.truth, rows), challenge.hosting.replicates)
            made |= {which: found.result, f"{which}_drawn": found.drawn.tobytes()}
    return made


def _held(store: Challenges, row: Row[Any]) -> bool:
    """Whether whoever claimed a run is still at it: a thread of this process, or a process that lives."""
    host, pid, theirs = (row.claim or "||").split("|")
    if theirs == store.token:
        return row.id in store.scoring
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(row.claimed_at)
    if host != socket.gethostname() or age > datetime.timedelta(hours=_STALE):
        return age <= datetime.timedelta(hours=_STALE)
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return int(pid) != os.getpid()  # a new process may have the number of the old one


def waiting(store: Challenges) -> list[int]:
    """Runs that no living process is scoring: what a start finds after a crash, in the order they came."""
    with store.database.read() as c:
        r = tables.run.c
        found = c.execute(select(tables.run).where(r.state.in_(("waiting", "scoring"))).order_by(r.id)).all()
    return [row.id for row in found if row.state == "waiting" or not _held(store, row)]


def file_of(c: Connection, run_id: int) -> str:
    """The hash of what was sent for a run."""
    return str(c.execute(select(tables.run.c.file_sha256).where(tables.run.c.id == run_id)).scalar_one())


def choose(store: Challenges, name: str, team_id: int, run_id: int, actor: str = "organiser") -> None:
    """Make a scored run the team's final one; possible until the challenge is frozen.

    Raises
    ------
    InputError
        If it is too late, or the run is not a scored one of the team.
    """
    with store.database.write() as c:
        row = store.row(c, name)
        if row.state != "open":
            raise InputError(f"{name} is {row.state}; the final run is chosen while the challenge is open")
        r = tables.run.c
        number = c.execute(select(r.number).where(r.id == run_id, r.team_id == team_id, r.state == "scored")).scalar()
        if number is None:
            raise InputError("only a scored run of the team can be its final one")
        c.execute(update(tables.team).where(tables.team.c.id == team_id).values(final_run_id=run_id))
        log.add(c, row.id, actor, "final", f"run {number}", team_id=team_id, run_id=run_id)
    store.told(name, {"what": "final"})
