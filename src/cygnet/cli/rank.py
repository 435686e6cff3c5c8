"""``cygnet rank``: the main job."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.errors import InputError, NothingAssessedError

if TYPE_CHECKING:
    from cygnet.models import LesionModel
    from cygnet.schema import ImageRecord
    from cygnet.triage import Assessment, Examined, Options, Ranked
    from cygnet.triage.journal import Journal

#: Longer side in pixels of the pictures in a report.
PICTURE = 384
_TABLE_LESIONS = 40
_FAILED = {"missing", "unreadable", "truncated", "too_large"}


def rank(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Folders (one is one patient; folders below it are patients), image files, or a CSV/Parquet table.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with the images of a table. \\[default: the table's own]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html, assessment.json, assessment.csv, manifest.json.", show_default=False
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the assessment as JSON, nothing else.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Print one CSV row per image, nothing else.")] = False,
    prevalence: Annotated[
        float, typer.Option(help="Share of melanomas among imaged lesions that probabilities are stated at.")
    ] = 0.02,
    guard: Annotated[
        float, typer.Option(help="Probability from which on context never lowers a lesion's score.")
    ] = 0.05,
    model: Annotated[
        str,
        typer.Option(
            help="Lesion model: accurate, fast (for folders of many thousands), or one that `cygnet doctor` lists."
        ),
    ] = "accurate",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Assess the first N images only, to try things out.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in --out.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads. \\[default: one per core]", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table, no progress; errors only.")] = False,
) -> None:
    """Rank each patient's lesions: which is the ugly duckling, how sure, and why.

    A table needs a column image, image_name, isic_id or file; patient_id, lesion_id, age, sex, site and acquisition_day
    are used where present. One bad image never stops the rest: it is listed with its reason.

    Exit codes: 0 done, 1 nothing could be assessed, 2 wrong use, 130 interrupted.

    Examples:

      cygnet rank ISIC_patient/ --out report/

      cygnet rank manifest.csv --images photos/ --out report/

      cygnet rank ISIC_patient/ --json | jq '.patients[0].lesions[0]'
    """
    if json_ and csv_:
        raise InputError("--json and --csv both print to standard output; choose one, or use --out for both")
    if resume and out is None:
        raise InputError("--resume needs the --out folder of the interrupted run")
    from cygnet.models import LesionModel, find_lesion
    from cygnet.triage import Options, collect

    options, files = Options(prevalence, guard), find_lesion(model)
    records = collect(paths, images=images)[:limit]
    run = Run(records, LesionModel(files), options, workers, "json" if json_ else "csv" if csv_ else "table", quiet)
    if out is None:
        run.to_terminal()
    else:
        run.to_folder(out, resume=resume)
    run.close()


class Run:
    """One ranking from records to outputs, with its progress and its counts."""

    def __init__(
        self,
        records: list[ImageRecord],
        model: LesionModel,
        options: Options,
        workers: int | None,
        style: str,
        quiet: bool,
    ) -> None:
        self._records, self._model, self._options, self._workers = records, model, options, workers
        self._style, self._quiet = style, quiet
        self._codes: Counter[str] = Counter()
        self._assessed = self._seen = 0
        self._shown: list[Assessment] = []

    def to_terminal(self) -> None:
        """Print the results; keep nothing."""
        from cygnet.report.folder import CsvWriter, JsonWriter
        from cygnet.triage import provenance_of

        if self._style == "csv":
            rows = CsvWriter(sys.stdout)
            for ranked in self._stream():
                rows.add(ranked.assessment)
        elif self._style == "json":
            document = JsonWriter(sys.stdout, provenance_of(self._model, self._options))
            for ranked in self._stream():
                document.add(ranked.assessment)
            document.close()
        else:
            for ranked in self._stream():
                self._show(ranked.assessment)
        self._print_tables()

    def to_folder(self, out: Path, *, resume: bool) -> None:
        """Write the files of a run; an interrupted one leaves its journal."""
        from cygnet.report.folder import prepare, write_folder
        from cygnet.triage import provenance_of
        from cygnet.triage.journal import Journal, fingerprint
        from cygnet.triage.outlines import default_segmenter
        from cygnet.version import VERSION

        prepare(out)
        models = f"{self._model.files.sha256} {default_segmenter().files.sha256}"
        mark = fingerprint(self._records, models, VERSION, PICTURE)
        with Journal(out, mark, resume=resume) as journal:
            if resume and not self._quiet:
                typer.echo(f"resuming: {journal.found} of {len(self._records)} images are done", err=True)
            try:
                write_folder(
                    out,
                    self._stream(journal),
                    provenance_of(self._model, self._options),
                    self._model.card,
                    self._manifest(),
                    self._show,
                )
            except KeyboardInterrupt:
                journal.close()
                typer.echo(
                    f"\ninterrupted after {self._seen} of {len(self._records)} images; nothing is lost: run the same "
                    "command with --resume to go on",
                    err=True,
                )
                raise typer.Exit(130) from None
            journal.discard()
        if self._style != "table":
            name = "assessment.json" if self._style == "json" else "assessment.csv"
            sys.stdout.write((out / name).read_text(encoding="utf-8"))
        self._print_tables()
        if not self._quiet:
            typer.echo(f"report: {out / 'report.html'}", err=self._style != "table")

    def close(self) -> None:
        """The closing line, and exit 1 when nothing could be assessed."""
        from cygnet.triage import RESEARCH_USE

        failed = sum(n for code, n in self._codes.items() if code in _FAILED)
        refused = sum(self._codes.values()) - failed
        if not self._quiet:
            err = self._style != "table"
            why = ", ".join(f"{n} {code.replace('_', ' ')}" for code, n in sorted(self._codes.items()))
            typer.echo(
                f"{self._assessed} assessed, {refused} not assessable, {failed} failed" + (f" ({why})" if why else ""),
                err=err,
            )
            typer.echo(RESEARCH_USE, err=err)
        if not self._assessed:
            raise NothingAssessedError(
                f"none of {self._seen} images could be assessed; the reasons are listed above"
                if not self._quiet
                else f"none of {self._seen} images could be assessed"
            )

    def _stream(self, journal: Journal | None = None) -> Iterator[Ranked]:
        from cygnet.cli.show import progress
        from cygnet.triage import stream

        with progress("ranking", len(self._records), "images", quiet=self._quiet) as advance:

            def on_image(position: int, e: Examined) -> None:
                self._seen = position + 1
                self._assessed += e.look is not None
                if e.look is None:
                    self._codes[next(f.code for f in e.findings if f.refuses)] += 1
                if journal:
                    journal.add(position, e)
                advance(self._seen)

            yield from stream(
                self._records,
                self._model,
                self._options,
                workers=self._workers,
                thumbnail=PICTURE if journal else 0,
                known=journal.known if journal and journal.found else None,
                on_image=on_image,
            )

    def _show(self, assessment: Assessment) -> None:
        """Print at once where it cannot disturb a progress bar, keep for later where it would."""
        if self._style == "table" and not self._quiet:
            if sys.stderr.isatty() and len(self._records) < 2000:
                self._shown.append(assessment)
            else:
                _print(assessment)

    def _print_tables(self) -> None:
        for assessment in self._shown:
            _print(assessment)
        self._shown.clear()

    def _manifest(self) -> Mapping[str, Any]:
        import platform

        import numpy
        import onnxruntime
        import PIL
        import polars

        from cygnet.triage.outlines import default_segmenter
        from cygnet.version import VERSION

        return {
            "schema": "cygnet-manifest-1",
            "cygnet": VERSION,
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "onnxruntime": onnxruntime.__version__,
            "pillow": PIL.__version__,
            "polars": polars.__version__,
            "model": self._model.files.name,
            "model_sha256": self._model.files.sha256,
            "segmenter": default_segmenter().files.name,
            "segmenter_sha256": default_segmenter().files.sha256,
            "options": {"prevalence": self._options.prevalence, "guard": self._options.guard},
        }


def _print(assessment: Assessment) -> None:
    from cygnet.cli.show import patient_table

    patient_table(assessment, most=_TABLE_LESIONS)


__all__ = ["PICTURE", "Run", "rank"]
