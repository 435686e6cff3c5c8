"""A pull into a folder: list and fetch side by side, note everything in the journal, and say at the end what is here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cygnet.errors import InputError, OutputError
from cygnet.interop.asked import Asked, OnProgress, Progress, words
from cygnet.interop.crew import Crew, EndOfList, Found
from cygnet.interop.fetch import Fetcher, Got
from cygnet.interop.folder import now, write_manifest, write_texts
from cygnet.interop.journal import Journal
from cygnet.interop.listing import Page, Unfit, pages
from cygnet.interop.place import JOURNAL, MANIFEST, PARTS, WORK, abandon, earlier_files, prepare, room, tidy
from cygnet.interop.pulled import Problem, Pulled
from cygnet.interop.records import read_result
from cygnet.interop.transport import FetchError, Gone, Transport

#: Outcomes, or seconds, after which they are noted for good.
_EVERY, _SECONDS = 64, 0.5
#: Files that are asked for ahead, for each fetcher.
_AHEAD: Final = 8


class Anew(Page):
    """Arrives where a list cannot be gone on with, and begins again."""


class IntoFolder:
    """One pull into the folder ``out``, with its journal open."""

    def __init__(
        self, transport: Transport, asked: Asked, out: Path, journal: Journal, jobs: int, on_progress: OnProgress
    ) -> None:
        self.transport, self.asked, self.out, self.journal = transport, asked, out, journal
        self._jobs, self._tell = jobs, on_progress
        self._unsaved: list[Got] = []
        self._saved = time.monotonic()
        self._after = 0
        self._lost = ""  # why the server was given up
        self._fetched = 0
        self._listed = False
        self._begun = False

    def run(self) -> Pulled:
        """Fetch what is missing, write the texts and the manifest.

        Raises
        ------
        InputError
            If the folder holds a pull of something else, or the archive lists nothing at all.
        OutputError
            If something cannot be written, as on a full disk.
        """
        start = self._where_to_begin()
        self._begun = self._listed = start is None
        self._count()
        fetch = Fetcher(self.transport, self.out, self.out / WORK / PARTS)
        crew = Crew(self.transport.gate, self._jobs, fetch, None if start is None else self._pages(start))
        try:
            self._work(crew)
            return self._finish()
        finally:
            with suppress(OutputError):  # it is full; what is not noted will be found again
                self._close(crew)

    def _close(self, crew: Crew) -> None:
        """End all threads and note what they brought last."""
        crew.dismiss()
        self._unsaved += [one for one in crew.found() if isinstance(one, Got)]
        self._save()

    def _where_to_begin(self) -> str | None:
        """The address of the page to list next; None where the list is whole."""
        journal, key = self.journal, self.asked.key()
        known = journal.fact("asked")
        with journal.change():
            if known is None:
                journal.set(asked=key, started=now())
                journal.remember(earlier_files(self.out, self.asked))
                room(self.transport, self.asked, self.out)
                return self.asked.first
            if known != key:
                raise InputError(
                    f"{self.out}: holds an unfinished pull of {words(known)}; finish that, or choose another folder"
                )
            journal.retry()
            journal.recheck(self.out)
            if journal.fact("listed") and not journal.problems(listing=True):
                return None
            if journal.fact("listed") or not journal.fact("next"):
                journal.begin_list()
                journal.set(listed=False, next=None, rows=0, said=None)
                return self.asked.first
            return str(journal.fact("next"))

    def _pages(self, start: str) -> Iterator[Page]:
        """Pages up to the limit. A place to go on from that the server no longer knows makes the list begin anew."""
        return self._limited(start, self.asked.limit or 0, self.journal.fact("rows") or 0)

    def _limited(self, start: str, limit: int, rows: int) -> Iterator[Page]:
        began = False
        try:
            for page in pages(self.transport, start):
                began = True
                yield page
                rows += len(page.results)
                if limit and rows >= limit:
                    return
        except FetchError as error:
            if began or start == self.asked.first or not 400 <= error.status < 500:
                raise
            yield Anew(None, [], None)
            yield from self._limited(self.asked.first, limit, 0)

    def _work(self, crew: Crew) -> None:
        while not (self._listed and not crew.at_work and not self._refill(crew)):
            for one in crew.found():
                if not self._take(one):
                    self._close(crew)
                    return
                if crew.at_work < 2 * self._jobs:
                    self._refill(crew)
            if time.monotonic() - self._saved > _SECONDS:
                self._save()
            self._report()
        self._save()

    def _refill(self, crew: Crew) -> bool:
        """Ask for more files; whether there were any."""
        if not self._begun:
            return False
        found = self.journal.wanted(self._after, _AHEAD * self._jobs)
        for wanted in found:
            self._after = wanted.position
            crew.ask(wanted)
        return bool(found)

    def _take(self, one: Found) -> bool:
        """Note what arrived; False if that was the end."""
        if isinstance(one, Got):
            self._unsaved.append(one)
            if len(self._unsaved) >= _EVERY:
                self._save()
                self._report()
        elif isinstance(one, Page):
            self._list(one)
        elif isinstance(one, EndOfList):
            self._end_list("")
        elif isinstance(one, Gone):
            self._lost = str(one)
            return False
        elif isinstance(one, FetchError):
            self._break_off(one)
        elif isinstance(one, OSError):
            raise OutputError(
                f"{self.out}: cannot be written ({one.strerror or one}); free some space and run the same again to go on"
            ) from one
        else:
            raise one
        return True

    def _list(self, page: Page) -> None:
        journal = self.journal
        with journal.change():
            if isinstance(page, Anew):
                journal.begin_list()
                journal.set(next=None, rows=0, said=None)
                self._after = 0
                return
            self._begun = True
            before = journal.fact("rows") or 0
            if not before and page.count is not None:
                journal.set(said=self.asked.at_most(page.count))
            most = None if self.asked.limit is None else max(0, self.asked.limit - before)
            results = page.results[:most]
            for result in results:
                record, problems = read_result(result, self.asked.site)
                journal.complain(problems, listing=True)
                if record is not None and not journal.add(record):
                    words = "is listed twice; taken once, and another image may be missing in its place"
                    journal.complain([Problem(record.isic_id, "twice", words)], listing=True)
            journal.set(rows=before + len(results), next=page.next)

    def _end_list(self, why: str) -> None:
        said, rows = self.journal.fact("said"), self.journal.fact("rows") or 0
        with self.journal.change():
            if why:
                self.journal.complain(
                    [Problem("", "count", f"the list broke off after {rows:,} images: {why}")], listing=False
                )
            elif said is not None and said != rows:
                words = f"the server counts {said:,} images and lists {rows:,}"
                self.journal.complain([Problem("", "count", words)], listing=True)
            self.journal.set(listed=not why)
        self._listed = self._begun = True

    def _break_off(self, error: FetchError) -> None:
        if not self.journal.fact("rows"):
            raise error
        self._end_list(str(error))
        if isinstance(error, Unfit):  # the next pull lists anew
            with self.journal.change():
                self.journal.set(next=None)

    def _save(self) -> None:
        done, self._unsaved = self._unsaved, []
        self._saved = time.monotonic()
        if done:
            with self.journal.change():
                self.journal.take(done)
        if any(got.fresh for got in done):  # what an earlier pull said of this folder no longer holds
            (self.out / MANIFEST).unlink(missing_ok=True)
        for got in done:
            self._done += not got.code
            self._bytes += got.size
            self._fetched += got.fresh

    def _count(self) -> None:
        self._done, self._bytes = self.journal.counts().get("got", (0, 0))

    def _report(self) -> None:
        held = self.transport.gate.held()
        note = f"the server asks to wait {held:.0f} s" if held > 1 else f"{self._bytes / 1e6:,.1f} MB"
        total = self.journal.fact("said") or self.journal.fact("rows") or 0
        self._tell(Progress(self._done, total, self._bytes, note))

    def _finish(self) -> Pulled:
        counts = self.journal.counts()
        left = counts.get("wanted", (0, 0))[0]
        problems = self.journal.problems()
        if self._lost:
            again = "run the same again to go on"
            whole = (
                f"{left:,} images are still to come"
                if self._listed
                else f"the list is not whole, and {left:,} images wait"
            )
            problems.append(Problem("", "pending", f"{whole}: {self._lost}; {again}"))
        texts = write_texts(self.journal, self.out, self.transport, online=not self._lost)
        problems += texts.problems
        said, listed, (received, size) = (
            self.journal.fact("said"),
            self.journal.fact("rows") or 0,
            counts.get("got", (0, 0)),
        )
        numbers: dict[str, Any] = {"server": said, "listed": listed, "received": received}
        write_manifest(self.journal, self.out, self.asked, texts.files, numbers, problems)
        return Pulled(
            source=str(self.asked.site),
            query=self.asked.query,
            collections=self.asked.numbers,
            out=self.out,
            archive=None,
            said=said,
            listed=listed,
            received=received,
            fetched=self._fetched,
            bytes=size,
            problems=tuple(problems),
        )


def into_folder(transport: Transport, asked: Asked, out: Path, jobs: int, on_progress: OnProgress) -> Pulled:
    """Pull into a folder; see :class:`IntoFolder` for what it raises."""
    prepare(out)
    nothing_yet = False
    try:
        with Journal(out / WORK / JOURNAL) as journal:
            try:
                pulled = IntoFolder(transport, asked, out, journal, jobs, on_progress).run()
            except (FetchError, InputError):
                known = journal.fact("asked")
                nothing_yet = known is None or (known == asked.key() and not journal.fact("rows"))
                raise
    finally:
        if nothing_yet:
            abandon(out)
    if pulled.complete:
        tidy(out)
    return pulled
