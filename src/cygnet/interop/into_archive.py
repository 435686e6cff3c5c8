"""A pull into a Cygnet archive, through its ingest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cygnet.archive import Archive
from cygnet.archive.archive import whoami
from cygnet.archive.identity import sizes_of
from cygnet.archive.ingest.commit import Outcome
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.rows import pair, read_rows
from cygnet.archive.ingest.run import Options
from cygnet.archive.ingest.sources import files_of
from cygnet.interop.asked import Asked, OnProgress, Progress
from cygnet.interop.place import IMAGES
from cygnet.interop.pulled import Problem, Pulled
from cygnet.interop.source import Remote
from cygnet.interop.transport import Gone, Transport
from cygnet.models import LesionModel

#: What an image that states no licence is taken under: the strictest.
_LICENCE: Final = "CC-BY-NC"


@dataclass(frozen=True, slots=True)
class Destination:
    """An archive, and how to put images into it with ``jobs`` threads."""

    folder: Path
    publish: bool = False
    actor: str | None = None
    jobs: int = 8


class _Tally:
    """What became of the items: how many are in the archive, and what was refused with which reason."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.added = self.present = 0
        self.problems: list[Problem] = []
        self._tell = tell

    def __call__(self, outcome: Outcome) -> None:
        if outcome.result == "refused":
            why = next((f.message for f in outcome.findings if f.level == "refuse"), "refused")
            self.problems.append(Problem(Path(outcome.name).stem, "archive", why))
        self.added += outcome.result == "added"
        self.present += outcome.result == "present"
        self._tell(self.added + self.present)


def into_archive(transport: Transport, asked: Asked, to: Destination, on_progress: OnProgress) -> Pulled:
    """Straight into the archive; images that it has by id and size are not fetched again."""
    lost: list[Problem] = []
    with Archive.open(to.folder) as archive:

        def known(ids: Sequence[str]) -> Mapping[str, int]:
            with archive.database.read() as connection:
                return sizes_of(connection, ids)

        remote = Remote(transport, asked, known)
        tally = _Tally(lambda n: on_progress(Progress(n + remote.skipped, remote.said or 0, 0)))
        try:
            _ingest(archive, remote.items(), asked, to, tally)
        except Gone as error:
            lost.append(Problem("", "pending", f"not everything was fetched: {error}; run the same again to go on"))
    return Pulled(
        source=str(asked.site),
        query=asked.query,
        collections=asked.numbers,
        out=None,
        archive=to.folder,
        said=remote.said,
        listed=remote.listed,
        received=tally.added + tally.present + remote.skipped,
        fetched=tally.added,
        bytes=0,
        problems=(*remote.problems, *tally.problems, *lost),
    )


def from_folder(pulled: Pulled, asked: Asked, to: Destination, on_progress: OnProgress) -> Pulled:
    """From the folder of a pull into the archive."""
    assert pulled.out is not None
    tally = _Tally(lambda n: on_progress(Progress(n, pulled.received, pulled.bytes, "into the archive")))
    with Archive.open(to.folder) as archive:
        if pulled.received:
            rows = read_rows(pulled.out / "metadata.csv")
            items = pair(files_of(pulled.out / IMAGES), rows, keep_ids=True)
            _ingest(archive, items, asked, to, tally)
    return replace(pulled, archive=to.folder, problems=(*pulled.problems, *tally.problems))


def _ingest(archive: Archive, items: Iterable[Item], asked: Asked, to: Destination, tally: _Tally) -> None:
    source = str(asked.site)
    options = Options(_LICENCE, source, publish=to.publish, actor=to.actor or whoami(), workers=to.jobs)
    archive.ingest(items, source, options, model=LesionModel(), on_outcome=tally)
