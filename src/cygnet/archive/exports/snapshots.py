"""Snapshots: a frozen list of images with their metadata, files and hashes, and how to cite it.

The manifest is one JSON object a line: first what the snapshot is, then an image each. It is kept as a blob, so that its name, the SHA-256
that the citation states, proves its content. The files that it names are never removed, unless their patient is erased.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from cygnet.archive import log
from cygnet.archive.blobs import Blobs, checked
from cygnet.archive.exports.texts import COLUMNS
from cygnet.archive.tables import snapshot
from cygnet.errors import InputError

_FORMAT: Final = "cygnet-snapshot-1"
_FILES: Final = ("view_sha256", "view_size", "thumbnail_sha256", "thumbnail_size")
_CREDITS: Final = 3


def freeze(
    connection: Connection, blobs: Blobs, name: str, query: str, rows: Iterable[dict[str, Any]], actor: str
) -> dict[str, Any]:
    """Make a snapshot of rows; returns it with its citation.

    Raises
    ------
    InputError
        If the name is empty or taken, or there is no image.
    """
    if not name.strip():
        raise InputError("a snapshot needs a name")
    if connection.execute(select(snapshot.c.id).where(snapshot.c.name == name)).scalar() is not None:
        raise InputError(f"there is a snapshot {name!r} already; snapshots never change, choose another name")
    created = log.now()
    credits: Counter[str] = Counter()
    lines = []
    for row in rows:
        credits[row["attribution"]] += 1
        lines.append(log.canonical({k: row.get(k) for k in (*COLUMNS, *_FILES, "state") if row.get(k) is not None}))
    if not lines:
        raise InputError(f"nothing matches {query!r}; a snapshot needs images")
    head = {"format": _FORMAT, "name": name, "created": created, "query": query, "images": len(lines)}
    head["log_head"] = log.head_hash(connection)
    data = "\n".join([log.canonical(head), *lines, ""]).encode()
    sha256 = blobs.put(data)
    values = {
        "name": name,
        "created": created,
        "query": query,
        "images": len(lines),
        "manifest_sha256": sha256,
        "manifest_size": len(data),
        "citation": _citation(name, created, credits, sha256),
    }
    connection.execute(snapshot.insert().values(**values))
    log.append(connection, actor, "snapshot", {"snapshot": name, "manifest": sha256, "n": len(lines)})
    return values


def found(connection: Connection, name: str) -> Row[*tuple[Any, ...]]:
    """A snapshot by name.

    Raises
    ------
    InputError
        If there is none.
    """
    row = connection.execute(select(snapshot).where(snapshot.c.name == name)).one_or_none()
    if row is None:
        raise InputError(f"no snapshot {name!r}; make one with: cygnet archive snapshot DIR NAME QUERY")
    return row


def listed(connection: Connection) -> list[dict[str, Any]]:
    """All snapshots, oldest first."""
    names = ("name", "created", "query", "images", "manifest_sha256", "citation", "doi")
    rows = connection.execute(select(*(snapshot.c[n] for n in names)).order_by(snapshot.c.id))
    return [dict(row) for row in rows.mappings()]


def rows_of_snapshot(blobs: Blobs, sha256: str) -> Iterator[dict[str, Any]]:
    """The images of a manifest, as they were."""
    lines = checked(blobs, sha256).decode().splitlines()
    for line in lines[1:]:
        yield json.loads(line)


def files_of_snapshots(connection: Connection, blobs: Blobs) -> set[str]:
    """The hashes of all files that snapshots name, their manifests included."""
    used: set[str] = set()
    for sha256 in connection.execute(select(snapshot.c.manifest_sha256)).scalars():
        used.add(sha256)
        if blobs.has(sha256):
            for row in rows_of_snapshot(blobs, sha256):
                used.update((row["view_sha256"], row["thumbnail_sha256"]))
    return used


def without(
    connection: Connection, blobs: Blobs, erased: Collection[str], day: str
) -> tuple[list[dict[str, Any]], set[str]]:
    """Take erased images out of every snapshot that has them: what became of each, and the files that were only named there.

    A snapshot of fewer images has another manifest and hash. Its citation states both, so that whoever cited the old one finds it.
    """
    told: list[dict[str, Any]] = []
    files: set[str] = set()
    for row in connection.execute(select(snapshot)).all():
        head, *lines = checked(blobs, row.manifest_sha256).decode().splitlines()
        rows = [json.loads(line) for line in lines]
        gone = [r for r in rows if r["isic_id"] in erased]
        if not gone:
            continue
        kept = [r for r in rows if r["isic_id"] not in erased]
        new_head = {**json.loads(head), "images": len(kept), "erased": len(gone), "was": row.manifest_sha256}
        data = "\n".join([log.canonical(new_head), *map(log.canonical, kept), ""]).encode()
        sha256 = blobs.put(data)
        cited = _citation(row.name, row.created, Counter(r["attribution"] for r in kept), sha256)
        cited += f" {len(gone):,} images were erased on {day}; before, sha256:{row.manifest_sha256}."
        values = {"images": len(kept), "manifest_sha256": sha256, "manifest_size": len(data), "citation": cited}
        connection.execute(snapshot.update().where(snapshot.c.id == row.id).values(**values))
        told.append({"snapshot": row.name, "erased": len(gone), "manifest": sha256, "was": row.manifest_sha256})
        files.update(r[name] for r in gone for name in ("view_sha256", "thumbnail_sha256"))
        files.add(row.manifest_sha256)
    return told, files


def _citation(name: str, created: str, credits: Counter[str], sha256: str) -> str:
    ordered = [credit for credit, _ in sorted(credits.items(), key=lambda item: (-item[1], item[0]))]
    named = "; ".join(ordered[:_CREDITS]) + (f"; and {len(ordered) - _CREDITS} more" if len(ordered) > _CREDITS else "")
    n = sum(credits.values())
    return f"{named} ({created[:4]}). {name}. {n:,} images, snapshot of {created[:10]}, sha256:{sha256}."
