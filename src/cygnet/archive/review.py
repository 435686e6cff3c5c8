"""Review: readers accept or reject images with reasons, and agree or not.

An image is accepted once as many readers as the archive asks for (1 or 2) accept this version of it, rejected once as many reject it. Where
two disagree it stays a draft until a third reader decides. A reader's later verdict on the same version replaces the earlier one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from cygnet.archive import log
from cygnet.archive import search as searching
from cygnet.archive.chunks import chunks
from cygnet.archive.edit import history
from cygnet.archive.findings import GROUPS
from cygnet.archive.query import Matches
from cygnet.archive.results import Address, NotFoundError, result_of, rows_of
from cygnet.archive.search import Cursor, Slice
from cygnet.archive.states import profiles_of, set_state
from cygnet.archive.tables import finding, image, profile, review, setting
from cygnet.errors import InputError

_AT_ONCE: Final = 500
#: Built once, since every page of an image asks for them.
_STANDING: Final = (
    select(image.c.id, image.c.version, image.c.embargo_until, image.c.created, profile.c.state)
    .join_from(image, profile)
    .where(image.c.isic_id == bindparam("isic_id"))
)
_VERDICTS: Final = (
    select(review)
    .where(review.c.image_id == bindparam("image"), review.c.version == bindparam("version"))
    .order_by(review.c.created)
)
_FINDINGS: Final = (
    select(finding).where(finding.c.image_id.in_(bindparam("ids", expanding=True))).order_by(finding.c.id)
)
_OPEN: Final = ("draft", "accepted", "rejected")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers on the images that both have read: how often they agree, and Cohen's kappa (1960), -1 to 1.

    ``kappa`` is NaN where chance alone would make them agree always, as when both accept everything.
    """

    readers: tuple[str, str]
    images: int
    agree: float
    kappa: float


def readers_needed(connection: Connection) -> int:
    """How many readers must accept an image."""
    return int(connection.execute(select(setting.c.value).where(setting.c.name == "readers")).scalar_one())


def vote(
    connection: Connection, ids: Sequence[int], reader: str, *, accepts: bool, reason: str | None = None, note: str = ""
) -> dict[str, int]:
    """Record a reader's verdict on images; returns how many are now in which state.

    ``reason`` is one of ISIC's five standards groups and needed to reject.

    Raises
    ------
    InputError
        For a rejection without such a reason, or an image that is published or under embargo.
    """
    if not accepts and reason not in GROUPS:
        raise InputError(f"reason {reason!r} is unknown; reject for one of {', '.join(GROUPS)}")
    before = profiles_of(connection, ids)
    for row in before.values():
        if row["state"] not in _OPEN:
            raise InputError(f"{row['isic_id']} is {row['state']}; take it back to draft before it is reviewed again")
    versions = _versions(connection, list(before))
    _replace_votes(connection, versions, reader, {"accepts": accepts, "reason": reason, "note": note})
    states = _decided(connection, versions, readers_needed(connection))
    for state, some in states.items():
        if state != "draft":  # from one verdict to the other the way leads over draft
            back = [id_ for id_ in some if before[id_]["state"] not in ("draft", state)]
            set_state(connection, back, "draft", reader, why="another verdict")
        set_state(connection, some, state, reader, why=reason or "")
        if state == "accepted":
            settle(connection, some)
    verdict = {"images": {}, "votes": {before[i]["isic_id"]: accepts for i in versions}, "reason": reason, "note": note}
    log.append(connection, reader, "vote", verdict)
    return dict(Counter(row["state"] for row in profiles_of(connection, list(before)).values()))


def settle(connection: Connection, ids: Iterable[int]) -> None:
    """Mark what held images back as looked at."""
    for some in chunks(ids, _AT_ONCE):
        unsettled = finding.c.image_id.in_(some) & (finding.c.level == "hold") & finding.c.settled.is_(None)
        connection.execute(finding.update().where(unsettled).values(settled=log.now()))


def agreements(connection: Connection) -> list[Agreement]:
    """Every pair of readers with images in common, by name."""
    verdicts: dict[str, dict[tuple[int, int], bool]] = {}
    for image_id, version, reader, accepts in connection.execute(
        select(review.c.image_id, review.c.version, review.c.reader, review.c.accepts)
    ):
        verdicts.setdefault(reader, {})[image_id, version] = accepts
    found = []
    for one, other in combinations(sorted(verdicts), 2):
        common = sorted(verdicts[one].keys() & verdicts[other].keys())
        if common:
            pairs = [(verdicts[one][key], verdicts[other][key]) for key in common]
            agree = sum(a == b for a, b in pairs) / len(pairs)
            found.append(Agreement((one, other), len(pairs), agree, cohen_kappa(pairs)))
    return found


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Agreement beyond chance of two readers' yes or no; NaN where chance leaves no room."""
    n = len(pairs)
    if not n:
        return float("nan")
    observed = sum(a == b for a, b in pairs) / n
    first, second = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    chance = first * second + (1 - first) * (1 - second)
    return float("nan") if chance == 1 else (observed - chance) / (1 - chance)


def findings_of(connection: Connection, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """What the checks said of images, by image; settled ones included."""
    result: dict[int, list[dict[str, Any]]] = {id_: [] for id_ in ids}
    for some in chunks(ids, _AT_ONCE):
        for row in connection.execute(_FINDINGS, {"ids": list(some)}).mappings():
            kept = ("level", "group", "code", "message", "settled")
            result[row["image_id"]].append({k: row[k] for k in kept})
    return result


def waiting(
    connection: Connection, matches: Matches, state: str, limit: int, cursor: Cursor | None, address: Address
) -> tuple[int, list[dict[str, Any]], Slice]:
    """Images in a state, as of :data:`cygnet.archive.fields.STATES`: how many, one page of them with what the checks said, its ends."""
    matches &= Matches(profile.c.state == state, None)
    part = searching.page(connection, matches, limit, cursor)
    said = findings_of(connection, part.ids)
    rows = rows_of(connection, part.ids)
    shown = [{**result_of(row, address), "state": state, "findings": said[row["id"]]} for row in rows]
    return searching.count(connection, matches), shown, part


def standing(connection: Connection, isic_id: str) -> dict[str, Any]:
    """What those who keep an archive know of an image besides what it shows: state, embargo, findings, verdicts, earlier versions.

    Raises
    ------
    NotFoundError
        If there is no such image.
    """
    row = connection.execute(_STANDING, {"isic_id": isic_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"{isic_id}: no such image in this archive")
    verdicts = connection.execute(_VERDICTS, {"image": row.id, "version": row.version}).mappings()
    return {
        "state": row.state,
        "version": row.version,
        "created": row.created,
        "embargo_until": row.embargo_until,
        "findings": findings_of(connection, [row.id])[row.id],
        "verdicts": [{k: v[k] for k in ("reader", "accepts", "reason", "note", "created")} for v in verdicts],
        "versions": history(connection, isic_id) if row.version > 1 else [],
    }


def ids_of(connection: Connection, isic_ids: Sequence[str]) -> list[int]:
    """The catalogue's own numbers of images.

    Raises
    ------
    NotFoundError
        If one of them is not there.
    """
    known: dict[str, int] = {}
    for some in chunks(isic_ids, _AT_ONCE):
        rows = connection.execute(select(image.c.isic_id, image.c.id).where(image.c.isic_id.in_(some)))
        known.update((name, id_) for name, id_ in rows)
    missing = [name for name in isic_ids if name not in known]
    if missing:
        raise NotFoundError(f"{missing[0]}: no such image in this archive")
    return [known[name] for name in isic_ids]


def _versions(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in chunks(ids, _AT_ONCE):
        rows = connection.execute(select(image.c.id, image.c.version).where(image.c.id.in_(some)))
        found.update((id_, version) for id_, version in rows)
    return found


def _replace_votes(connection: Connection, versions: dict[int, int], reader: str, verdict: dict[str, Any]) -> None:
    if not versions:
        return
    same = (review.c.image_id == bindparam("i")) & (review.c.version == bindparam("v")) & (review.c.reader == reader)
    connection.execute(review.delete().where(same), [{"i": i, "v": v} for i, v in versions.items()])
    created = log.now()
    rows = [{"image_id": i, "version": v, "reader": reader, "created": created, **verdict} for i, v in versions.items()]
    connection.execute(review.insert(), rows)


def _decided(connection: Connection, versions: dict[int, int], needed: int) -> dict[str, list[int]]:
    """Images by the state that the votes on their current version lead to: draft where these are too few or even."""
    votes: dict[int, Counter[bool]] = {id_: Counter() for id_ in versions}
    for some in chunks(versions, _AT_ONCE):
        statement = select(review.c.image_id, review.c.version, review.c.accepts).where(review.c.image_id.in_(some))
        for image_id, version, accepts in connection.execute(statement):
            if version == versions[image_id]:
                votes[image_id][accepts] += 1
    result: dict[str, list[int]] = {"accepted": [], "rejected": [], "draft": []}
    for id_, counted in votes.items():
        ahead = counted[True] - counted[False]
        enough = max(counted[True], counted[False]) >= needed and ahead != 0
        result[("accepted" if ahead > 0 else "rejected") if enough else "draft"].append(id_)
    return result
