"""What ``cygnet predict`` and ``cygnet embed`` share: images through the network with progress, a journal, closing lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cygnet.errors import InputError, NothingAssessedError

if TYPE_CHECKING:
    from cygnet.models import LesionModel
    from cygnet.schema import ImageRecord
    from cygnet.triage.features import Part, Seen, SeenJournal

_PROBLEMS_SHOWN = 20
Engine = Literal["local", "ray"]

# The options that both commands take, so that they read and behave alike.
PathsArgument = Annotated[
    list[Path], typer.Argument(help="Folders of images, image files, or a CSV/Parquet table.", show_default=False)
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder with the images of a table. \\[default: the table's own]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a summary as JSON, nothing else.")]
ModelOption = Annotated[
    str,
    typer.Option(help="Lesion model: accurate, fast (five times as fast), or one that `cygnet doctor` lists."),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Take the first N images only, to try things out.", show_default=False)
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run into --out.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Threads, or processes of ray. \\[default: one per core]", show_default=False),
]
EngineOption = Annotated[
    Engine,
    typer.Option(help="local: this machine; ray: the Ray cluster of RAY_ADDRESS, or processes here (extra ray)."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no closing lines; errors only.")]


class ImageRun:
    """One run over images into the file ``out``. ``problems`` are image and reason of those that could not be read,
    ``strange`` counts images that do not look like dermoscopy."""

    def __init__(
        self, records: list[ImageRecord], model: LesionModel, part: Part, out: Path, *, quiet: bool, err: bool
    ) -> None:
        self._records, self._model, self._part, self._quiet, self._err = records, model, part, quiet, err
        self._out = out
        self.problems: list[tuple[str, str]] = []
        self.strange = 0
        self.seen = 0

    @property
    def good(self) -> int:
        """How many images could be read."""
        return self.seen - len(self.problems)

    @contextmanager
    def journal(self, options: str, *, resume: bool) -> Iterator[SeenJournal]:
        """The journal of this run: kept when the block is left early, removed when it is done.

        ``options`` stands for what else must be the same for an interrupted run to go on.
        """
        from cygnet.report.folder import prepare
        from cygnet.triage.features import SeenJournal
        from cygnet.triage.journal import fingerprint
        from cygnet.version import VERSION

        if self._out.is_dir():
            raise InputError(f"{self._out}: a folder; --out names the file to write")
        prepare(self._out.parent)
        mark = fingerprint(self._records, self._model.files.sha256, f"{VERSION}\t{self._part}\t{options}", 0)
        with SeenJournal(self._out, mark, self._records, resume=resume) as journal:
            if resume and not self._quiet:
                typer.echo(f"resuming: {journal.found} of {len(self._records)} images are done", err=True)
            try:
                yield journal
            except KeyboardInterrupt:
                journal.close()
                typer.echo(
                    f"\ninterrupted after {self.seen} of {len(self._records)} images; nothing is lost: run the same "
                    "command with --resume to go on",
                    err=True,
                )
                raise typer.Exit(130) from None
            except NothingAssessedError:  # there is nothing to go on with
                journal.discard()
                raise
            journal.discard()

    def stream(self, journal: SeenJournal, label: str, workers: int | None, engine: Engine) -> Iterator[Seen]:
        """Each image's answer, kept in the journal and counted before it is handed on."""
        from cygnet.cli.show import progress

        see = _engine(engine)
        known = journal.known if journal.found else None
        with progress(label, len(self._records), "images", quiet=self._quiet) as advance:
            for position, one in enumerate(see(self._records, self._model, self._part, workers=workers, known=known)):
                journal.add(position, one)
                self.seen = position + 1
                self.strange += one.strangeness > 1
                if one.problem:
                    self.problems.append((one.record.image, one.problem))
                advance(self.seen)
                yield one

    def refuse_nothing(self) -> None:
        """Exit 1 when no image could be read."""
        if not self.good:
            image, problem = self.problems[0]
            raise NothingAssessedError(f"none of {self.seen} images could be read; {image}: {problem}")

    def close(self, done: str, failed: str) -> None:
        """The closing lines: images that could not be read, even if quiet, then ``done`` and the counts."""
        from cygnet.triage import RESEARCH_USE

        for image, problem in self.problems[:_PROBLEMS_SHOWN]:
            typer.echo(f"{image}: {problem}", err=True)
        if len(self.problems) > _PROBLEMS_SHOWN:
            typer.echo(f"... and {len(self.problems) - _PROBLEMS_SHOWN} more", err=True)
        if self.problems:
            typer.echo(f"{len(self.problems)} of {self.seen} images could not be read; {failed}", err=True)
        if not self._quiet:
            if self.strange:
                typer.echo(
                    f"not like dermoscopy: {self.strange} of {self.good} images; their values mean little", err=True
                )
            typer.echo(done, err=self._err)
            typer.echo(RESEARCH_USE.split(" A low rank")[0], err=self._err)


def _engine(name: Engine) -> Callable[..., Iterator[Any]]:
    if name == "ray":
        from cygnet.triage.on_ray import see_on_ray

        return see_on_ray
    from cygnet.triage.features import see

    return see
