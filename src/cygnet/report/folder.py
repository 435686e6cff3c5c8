"""The output folder of a run: everything is written beside its place and moved there at the end, or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from cygnet.errors import InputError, OutputError
from cygnet.report.html import write_html
from cygnet.triage import Assessment, Provenance, Ranked
from cygnet.triage.rows import COLUMNS, image_rows, record

FILES = ("report.html", "assessment.json", "assessment.csv", "manifest.json")
SCHEMA = "assessment.schema.json"
_PART = ".cygnet-part"


def prepare(folder: Path) -> Path:
    """Make ``folder`` and make sure that it can be written to; an unfinished attempt in it is cleared away.

    Raises
    ------
    InputError
        If it is a file, or cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / _PART
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        part.rmdir()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}); choose another --out") from error
    return folder


def write_folder(
    folder: Path,
    ranked: Iterable[Ranked],
    provenance: Provenance,
    card: Mapping[str, Any],
    manifest: Mapping[str, Any],
    on_patient: Callable[[Assessment], None] | None = None,
) -> dict[str, Path]:
    """Write the four files of a run into ``folder`` (made by ``prepare``) as patients arrive; returns their paths.

    On any error nothing in ``folder`` has changed.

    Raises
    ------
    OutputError
        If the disk is full or the folder has become unwritable.
    """
    part = folder / _PART
    try:
        part.mkdir()
        _write_all(part, ranked, provenance, card, manifest, on_patient)
        for name in FILES:
            os.replace(part / name, folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder}: the results could not be written ({error.strerror or error}); free some space, then run again "
            "with --resume. What was there before is unchanged."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return {name: folder / name for name in FILES}


def _write_all(
    part: Path,
    ranked: Iterable[Ranked],
    provenance: Provenance,
    card: Mapping[str, Any],
    manifest: Mapping[str, Any],
    on_patient: Callable[[Assessment], None] | None,
) -> None:
    pictures: dict[str, Mapping[str, bytes]] = {}

    def open_part(name: str) -> TextIO:
        return (part / name).open("w", encoding="utf-8", newline="")

    with (
        open_part("report.html") as page,
        open_part("assessment.json") as document,
        open_part("assessment.csv") as table,
        open_part("manifest.json") as listing,
    ):
        rows = CsvWriter(table)
        records = JsonWriter(document, provenance)
        inputs = _ManifestWriter(listing, manifest)

        def each() -> Iterator[Assessment]:
            for r in ranked:
                pictures.clear()
                pictures[r.assessment.patient_id] = r.pictures
                rows.add(r.assessment)
                records.add(r.assessment)
                inputs.add(r.assessment)
                if on_patient:
                    on_patient(r.assessment)
                yield r.assessment

        def picture(patient_id: str, image: str) -> bytes | None:
            return pictures.get(patient_id, {}).get(image)

        write_html(page, each(), picture=picture, card=card)
        records.close()
        inputs.close()
        for stream in (page, document, table, listing):
            stream.flush()
            os.fsync(stream.fileno())


class CsvWriter:
    """Assessments as CSV, one row per image, columns as in ``cygnet.triage.rows.COLUMNS``."""

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        self._writer.writeheader()

    def add(self, assessment: Assessment) -> None:
        """Write the rows of one patient."""
        self._writer.writerows(image_rows(assessment))


class JsonWriter:
    """Assessments as one JSON document, described by assessment.schema.json; patients are written as they come."""

    def __init__(self, out: TextIO, provenance: Provenance) -> None:
        self._out, self._first = out, True
        self._counts = {"patients": 0, "lesions": 0, "images": 0, "assessable_images": 0}
        stated = {
            "code_version": provenance.code_version,
            "model": provenance.model,
            "model_sha256": provenance.model_sha256,
            "segmenter": provenance.segmenter,
            "segmenter_sha256": provenance.segmenter_sha256,
            "prevalence": provenance.prevalence,
            "guard": provenance.guard,
        }
        out.write('{"schema": "cygnet-assessment-1",\n"research_use": true,\n')
        out.write(f'"provenance": {json.dumps(stated)},\n"patients": [')

    def add(self, assessment: Assessment) -> None:
        """Write one patient."""
        self._out.write("\n" if self._first else ",\n")
        self._first = False
        self._out.write(json.dumps(record(assessment), ensure_ascii=False, allow_nan=False))
        images = [image for lesion in assessment.lesions for image in lesion.images]
        self._counts["patients"] += 1
        self._counts["lesions"] += len(assessment.lesions)
        self._counts["images"] += len(images)
        self._counts["assessable_images"] += sum(image.assessable for image in images)

    def close(self) -> None:
        """Write the end of the document."""
        self._out.write(f'\n],\n"counts": {json.dumps(self._counts)}}}\n')


class _ManifestWriter:
    """What went in: versions, options and the hash of every image."""

    def __init__(self, out: TextIO, head: Mapping[str, Any]) -> None:
        self._out, self._first = out, True
        out.write(json.dumps(head, indent=1, ensure_ascii=False)[:-2] + ',\n "inputs": [')

    def add(self, assessment: Assessment) -> None:
        for lesion in assessment.lesions:
            for image in lesion.images:
                self._out.write("\n  " if self._first else ",\n  ")
                self._first = False
                line = {"image": image.image, "file": image.file, "sha256": image.sha256 or None}
                self._out.write(json.dumps({"patient_id": assessment.patient_id, **line}, ensure_ascii=False))

    def close(self) -> None:
        self._out.write("\n ]\n}\n")
