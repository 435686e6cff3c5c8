"""One call of ``ingest`` from source to summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.archive.chunks import chunks
from cygnet.archive.database import Database
from cygnet.archive.findings import found
from cygnet.archive.ingest.commit import Outcome, Terms, commit
from cygnet.archive.ingest.duplicates import Duplicates
from cygnet.archive.ingest.earlier import contradictions
from cygnet.archive.ingest.examine import Examiner
from cygnet.archive.ingest.items import Examined, Item
from cygnet.archive.licences import licence_of
from cygnet.archive.tables import accession
from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.archive.blobs import Blobs
    from cygnet.models import LesionModel

#: Images in one transaction: what a crash costs at most.
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest. ``cohort`` is the name within which private ids mean the same; ``dry`` changes nothing."""

    licence: str
    attribution: str
    cohort: str = "default"
    publish: bool = False
    embargo_until: str | None = None
    dry: bool = False
    actor: str = "unknown"
    workers: int | None = None


@dataclass(slots=True)
class Summary:
    """What an ingest did. ``by_code`` counts findings as (level, code); ``by_state`` the images that were added."""

    added: int = 0
    present: int = 0
    refused: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    by_code: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, outcome: Outcome) -> None:
        """Count one more."""
        setattr(self, outcome.result, getattr(self, outcome.result) + 1)
        if outcome.result == "added":
            self.by_state[outcome.state] += 1
        if outcome.result != "present":
            self.by_code.update({(f.level, f.code) for f in outcome.findings})

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        codes = [{"level": level, "code": code, "images": n} for (level, code), n in sorted(self.by_code.items())]
        counts = {"added": self.added, "present": self.present, "refused": self.refused}
        return {**counts, "states": dict(self.by_state), "findings": codes}


class _DryRun(Exception):
    """Undoes a transaction that was only tried."""


def ingest(
    database: Database,
    blobs: Blobs,
    items: Iterable[Item],
    source: str,
    options: Options,
    model: LesionModel | None,
    on_outcome: Callable[[Outcome], None],
) -> Summary:
    """Examine items on all cores and commit them in batches; ``on_outcome`` hears of each, in order, once it is safe.

    Raises
    ------
    InputError
        For an unknown licence, an empty attribution, or both --publish and an embargo.
    """
    licence = _understood(options)
    if not options.dry:
        blobs.tidy()
    number = 0
    if not options.dry:
        with database.write() as connection:
            number = _accession(connection, source, options)
    terms = Terms(
        accession=number,
        actor=options.actor,
        cohort=options.cohort,
        licence=licence,
        attribution=options.attribution,
        publish=options.publish,
        embargo_until=options.embargo_until,
        model=model.files.sha256 if model else "",
    )
    examiner = Examiner(None if options.dry else blobs, model, licence, options.attribution)
    duplicates = Duplicates(blobs, dry=options.dry)
    summary = Summary()

    def work(connection: Connection, batch: list[Examined]) -> list[Outcome]:
        mine = replace(terms, accession=_accession(connection, source, options)) if options.dry else terms
        return commit(connection, batch, mine, duplicates, contradictions)

    for batch in chunks(examiner.run(map(_licensed, items), options.workers), _BATCH):
        for outcome in _attempt(database, partial(work, batch=batch), dry=options.dry):
            summary.take(outcome)
            on_outcome(outcome)
    if not options.dry:
        with database.write() as connection:
            counted = {"accession": terms.accession, **summary.to_dict()}
            connection.execute(
                accession.update().where(accession.c.id == terms.accession).values(counts=log.canonical(counted))
            )
            if summary.added or summary.refused:
                log.append(connection, options.actor, "ingested", {"summary": counted})
    return summary


def _understood(options: Options) -> str:
    """The licence's code, once the options make sense."""
    if not options.attribution.strip():
        raise InputError("--attribution is empty; name whoever is to be credited for the images")
    if options.publish and options.embargo_until:
        raise InputError(
            "--publish and --embargo exclude each other; an embargoed image is published when its time comes"
        )
    return licence_of(options.licence).code


def _licensed(item: Item) -> Item:
    """The item with its own licence by its code; an unknown one refuses it."""
    if item.licence is None:
        return item
    try:
        return replace(item, licence=licence_of(item.licence).code)
    except InputError as error:
        return replace(item, licence=None, findings=(*item.findings, found("refuse", "licence", str(error))))


def _attempt(database: Database, work: Callable[[Connection], list[Outcome]], *, dry: bool) -> list[Outcome]:
    """What ``work`` gives in a transaction, which a dry run undoes."""
    outcomes: list[Outcome] = []
    with suppress(_DryRun), database.write() as connection:
        outcomes = work(connection)
        if dry:
            raise _DryRun
    return outcomes


def _accession(connection: Connection, source: str, options: Options) -> int:
    """The accession of this source with these options: the earlier one, if this is its continuation or repetition."""
    stated = log.canonical(
        {
            "licence": options.licence,
            "attribution": options.attribution,
            "publish": options.publish,
            "embargo_until": options.embargo_until,
        }
    )
    same = (accession.c.source == source) & (accession.c.cohort == options.cohort) & (accession.c.options == stated)
    known = connection.execute(select(accession.c.id).where(same)).scalar()
    if known is not None:
        return int(known)
    values = {"created": log.now(), "actor": options.actor, "source": source, "cohort": options.cohort}
    statement = accession.insert().values(**values, options=stated).returning(accession.c.id)
    return int(connection.execute(statement).scalar_one())
