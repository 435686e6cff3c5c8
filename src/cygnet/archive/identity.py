"""Public ids: ``ISIC_``, ``IP_`` (patient), ``IL_`` (lesion), ``RC_`` (RCM case) and seven random digits.

Contributors' own ids never leave the catalogue. Within a cohort the same private id always means the same person or lesion.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final

from sqlalchemy import Column, Connection, Table, func, select

from cygnet.archive.chunks import chunks
from cygnet.archive.tables import image, lesion, patient, rcm_case, setting
from cygnet.errors import OutputError

PREFIXES: Final = {"image": "ISIC", "patient": "IP", "lesion": "IL", "rcm_case": "RC"}
#: The setting that holds the highest number an erased image had.
LAST_IMAGE: Final = "last_image"
_TABLES: Final = {"patient": patient, "lesion": lesion, "rcm_case": rcm_case}
_SPACE: Final = 10_000_000
_AT_ONCE: Final = 500


def is_public_id(text: str, kind: str) -> bool:
    """Whether a text has the form of a public id of this kind."""
    return re.fullmatch(rf"{PREFIXES[kind]}_\d{{7}}", text) is not None


def new_ids(connection: Connection, kind: str, number: int, avoid: Set[str] = frozenset()) -> list[str]:
    """Unused public ids, drawn at random, none of them in ``avoid``.

    Raises
    ------
    OutputError
        When nine of ten ids are given away.
    """
    column: Column[str] = image.c.isic_id if kind == "image" else _TABLES[kind].c.public_id
    found: list[str] = []
    for _ in range(100):
        missing = number - len(found)
        if not missing:
            return found
        drawn = {f"{PREFIXES[kind]}_{secrets.randbelow(_SPACE):07d}" for _ in range(missing)}
        drawn -= {*found, *avoid}
        for some in chunks(sorted(drawn), _AT_ONCE):
            drawn.difference_update(connection.execute(select(column).where(column.in_(some))).scalars())
        found.extend(drawn)
    used = connection.execute(select(func.count()).select_from(column.table)).scalar_one()
    raise OutputError(f"{used:,} of {_SPACE:,} ids of the form {PREFIXES[kind]}_ are used; no more can be drawn")


def first_after_erased(connection: Connection) -> int | None:
    """The number that the next image must have because newer ones were erased; None where the database counts up by itself.

    Numbers only grow, on which those rely who remember images by them. SQLite alone would give away an erased one again.
    """
    kept = connection.execute(select(setting.c.value).where(setting.c.name == LAST_IMAGE)).scalar()
    if kept is None or connection.dialect.name != "sqlite":
        return None
    newest = connection.execute(select(func.max(image.c.id))).scalar() or 0
    return int(kept) + 1 if int(kept) > newest else None


def refer(
    connection: Connection, kind: str, cohort: str, private_ids: Iterable[str], public: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Rows of ``patient``, ``lesion`` or ``rcm_case`` by private id; those not there yet get a public id.

    ``public`` may name the public id of a new one, which is taken if it is free.
    """
    table = _TABLES[kind]
    wanted = sorted(set(private_ids))
    known = _known(connection, table, cohort, wanted)
    new = [private for private in wanted if private not in known]
    if new:
        asked = {p: a for p in new if is_public_id(a := (public or {}).get(p, ""), kind)}
        taken = _taken(connection, table, sorted(asked.values()))
        spare = iter(new_ids(connection, kind, len(new), avoid=set(asked.values())))
        rows = []
        for private in new:
            want = asked.get(private)
            given = want if want is not None and want not in taken else next(spare)
            taken.add(given)
            rows.append({"cohort": cohort, "private_id": private, "public_id": given})
        connection.execute(table.insert(), rows)
        known |= _known(connection, table, cohort, new)
    return known


def _taken(connection: Connection, table: Table, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for some in chunks(ids, _AT_ONCE):
        found.update(connection.execute(select(table.c.public_id).where(table.c.public_id.in_(some))).scalars())
    return found


def _known(connection: Connection, table: Table, cohort: str, private_ids: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(private_ids, _AT_ONCE):
        statement = select(table.c.private_id, table.c.id)
        statement = statement.where(table.c.cohort == cohort, table.c.private_id.in_(some))
        found.update((private, id_) for private, id_ in connection.execute(statement))
    return found


def sizes_of(connection: Connection, isic_ids: Sequence[str]) -> dict[str, int]:
    """Sizes in bytes of the original files of those of the images that are in the archive, by their public ids."""
    found: dict[str, int] = {}
    for some in chunks(isic_ids, _AT_ONCE):
        statement = select(image.c.isic_id, image.c.original_size).where(image.c.isic_id.in_(some))
        found.update((isic_id, size) for isic_id, size in connection.execute(statement))
    return found
