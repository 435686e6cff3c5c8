"""``cygnet segment``: outline lesions."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.errors import InputError, NothingAssessedError, OutputError

if TYPE_CHECKING:
    from cygnet.models import SegmentModel
    from cygnet.schema import ImageRecord
    from cygnet.triage import Outlined, Plan
    from cygnet.triage.mask_journal import SegmentJournal

_OURS = ("_segmentation.png", "_overlay.jpg")
_FILES = ("manifest.json", "segmentation.csv")
_PROBLEMS_SHOWN = 20


def segment(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders of images, image files, or a CSV/Parquet table.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the masks, manifest.json and segmentation.csv.", show_default=False)
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with the images of a table. \\[default: the table's own]", show_default=False),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="Take the masks in this folder instead of drawing them.", show_default=False),
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write pictures with the outline drawn in.")] = False,
    flags: Annotated[
        bool, typer.Option("--flags", help="Also look for hair, ruler, ink, bubbles and vignette, and list them.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Also measure each lesion: size, asymmetry, border, colours (implies --flags)."),
    ] = False,
    mm_per_pixel: Annotated[
        float | None,
        typer.Option(
            help="Millimetres per pixel of the image files. \\[default: from a ruler in the image, where there is one]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Outline model: accurate, fast (for folders of many thousands), or one that `cygnet doctor` lists."
        ),
    ] = "accurate",
    views: Annotated[
        int | None,
        typer.Option(
            help="Mirror images and turns that an outline is the mean of: 1, 2, 4 or 8. More are more exact and as many "
            "times slower. \\[default: the model's own]",
            show_default=False,
        ),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the record of every image as JSON, nothing else.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take the first N images only, to try things out.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads. \\[default: one per core]", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no closing lines; errors only.")] = False,
) -> None:
    """Outline the lesion in each image: one mask per image, 255 in the lesion and 0 elsewhere.

    The mask of IMAGE is IMAGE_segmentation.png, 8-bit grey, of the image's own size as it is shown (after its EXIF
    orientation), which is what ISIC challenges take. Images without a lesion get an empty mask, with the flag none_found;
    of several lesions the central one is outlined, with the flag several. One bad image never stops the rest: it is
    listed with its reason.

    Exit codes: 0 done, 1 no image could be outlined, 2 wrong use, 130 interrupted.

    Examples:

      cygnet segment ISIC_patient/ --out masks/

      cygnet segment manifest.csv --images photos/ --out masks/ --overlay

      cygnet segment ISIC_patient/ --out masks/ --measure

      cygnet segment ISIC_patient/ --out masks/ --model fast

      cygnet segment ISIC_patient/ --out masks/ --json | jq '.images[] | [.image, .confidence, .flags]'
    """
    from cygnet.report.folder import prepare
    from cygnet.triage import Plan, collect, refuse_same_names

    if mm_per_pixel is not None and not (measure and 0 < mm_per_pixel < float("inf")):
        raise InputError(f"--mm-per-pixel {mm_per_pixel}: give a number above 0, together with --measure")
    if masks is not None and not masks.is_dir():
        raise InputError(f"{masks}: no such folder; --masks names the folder that holds the masks")
    network = _network(model, views, masks)
    records = [r for r in collect(paths, images=images, facts=False) if not _made_here(r.path, out)][:limit]
    if not records:
        raise InputError(f"{out}: holds nothing but masks made before; name the folder of the images")
    refuse_same_names(records)
    prepare(out)
    plan = Plan(out, masks, overlay, flags, measure, mm_per_pixel)
    _Run(records, network, plan, json_=json_, quiet=quiet).go(workers, resume=resume)


def _network(model: str, views: int | None, masks: Path | None) -> SegmentModel:
    """The outline model that takes the mean of ``views`` views."""
    from cygnet.models import SegmentModel, find_outliner
    from cygnet.models.views import OUTLINE_VIEWS

    if views is not None and views not in OUTLINE_VIEWS:
        raise InputError(f"--views {views}: give one of {', '.join(map(str, OUTLINE_VIEWS))}")
    if masks is not None and views is not None:
        raise InputError(f"--views {views} is for outlines that are drawn; leave it out with --masks")
    return SegmentModel(find_outliner(model), views=views)


def _made_here(path: Path, out: Path) -> bool:
    """Whether an image is an output of an earlier run into the same folder."""
    return path.name.endswith(_OURS) and path.parent.resolve() == out.resolve()


class _Run:
    """One run from records to files, with its progress and its counts."""

    def __init__(
        self, records: list[ImageRecord], model: SegmentModel, plan: Plan, *, json_: bool, quiet: bool
    ) -> None:
        self._records, self._model, self._plan = records, model, plan
        self._json, self._quiet = json_, quiet
        self._flags: Counter[str] = Counter()
        self._problems: list[str] = []
        self._seen = 0

    def go(self, workers: int | None, *, resume: bool) -> None:
        """Write the masks, then what lists them."""
        from cygnet.triage.mask_journal import SegmentJournal

        journal = SegmentJournal(self._plan.out, self._mark(), self._records, resume=resume)
        if resume and not self._quiet:
            typer.echo(f"resuming: {journal.found} of {len(self._records)} images are done", err=True)
        try:
            self._write(self._stream(journal, workers))
        except KeyboardInterrupt:
            typer.echo(
                f"\ninterrupted after {self._seen} of {len(self._records)} images; nothing is lost: run the same "
                "command with --resume to go on",
                err=True,
            )
            raise typer.Exit(130) from None
        finally:
            journal.close()
        journal.discard()
        self._close()

    def _stream(self, journal: SegmentJournal, workers: int | None) -> Iterator[Outlined]:
        from cygnet.cli.show import progress
        from cygnet.triage import segment_files

        made = segment_files(self._records, self._model, self._plan, workers=workers, known=journal.known)
        with progress("outlining", len(self._records), "images", quiet=self._quiet) as advance:
            for position, one in enumerate(made):
                self._seen = position + 1
                self._flags.update(one.flags)
                if one.problem:
                    self._problems.append(f"{one.image}: {one.problem}")
                journal.add(position, one)
                advance(self._seen)
                yield one

    def _write(self, made: Iterator[Outlined]) -> None:
        """The records of all images into the folder, and to standard output if asked for."""
        from cygnet.report.outlines import OutlineCsv, OutlineJson

        parts = [self._plan.out / f".{name}.part" for name in _FILES]
        try:
            with ExitStack() as stack:
                files = [stack.enter_context(p.open("w", encoding="utf-8", newline="")) for p in parts]
                documents = [OutlineJson(files[0], self._head())]
                if self._json:
                    documents.append(OutlineJson(sys.stdout, self._head()))
                table = OutlineCsv(files[1])
                for one in made:
                    table.add(one)
                    for document in documents:
                        document.add(one)
                for document in documents:
                    document.close()
            for part, name in zip(parts, _FILES, strict=True):
                os.replace(part, self._plan.out / name)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"{self._plan.out}: cannot be written ({error.strerror or error}); free some space, then run again with "
                "--resume"
            ) from error
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def _close(self) -> None:
        """The closing lines, and exit 1 when nothing could be outlined."""
        from cygnet.triage import RESEARCH_USE

        done = self._seen - len(self._problems)
        if not self._quiet:
            for line in self._problems[:_PROBLEMS_SHOWN]:
                typer.echo(line, err=True)
            if len(self._problems) > _PROBLEMS_SHOWN:
                typer.echo(f"... and {len(self._problems) - _PROBLEMS_SHOWN} more in segmentation.csv", err=True)
            flags = ", ".join(f"{n} {flag.replace('_', ' ')}" for flag, n in sorted(self._flags.items()))
            typer.echo(
                f"{done} outlined"
                + (f" ({flags})" if flags else "")
                + f", {len(self._problems)} failed; masks: {self._plan.out}",
                err=self._json,
            )
            typer.echo(RESEARCH_USE.split(" A low rank")[0], err=self._json)
        if not done:
            raise NothingAssessedError(f"none of {self._seen} images could be outlined; {self._problems[0]}")

    def _head(self) -> dict[str, Any]:
        from cygnet.version import VERSION

        return {
            "schema": "cygnet-segmentation-1",
            "research_use": True,
            "cygnet": VERSION,
            "model": self._model.files.name if self._plan.masks is None else "given",
            "model_sha256": self._model.files.sha256 if self._plan.masks is None else None,
            "views": self._model.views if self._plan.masks is None else None,
        }

    def _mark(self) -> str:
        from cygnet.triage.journal import fingerprint
        from cygnet.version import VERSION

        options = f"{VERSION}\t{self._model.views}\t{self._plan.masks}\t{self._plan.overlay}\t{self._plan.flags}\t{self._plan.measure}\t{self._plan.mm_per_pixel}"
        return fingerprint(self._records, self._model.files.sha256, options, 0)


__all__ = ["segment"]
