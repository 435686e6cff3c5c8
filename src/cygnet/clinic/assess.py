"""Cygnet's own reading of a visit: queued, run with progress, resumed where it was interrupted, kept with the models' hashes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cygnet.archive import log
from cygnet.clinic.errors import UnknownError
from cygnet.clinic.frozen import to_json
from cygnet.clinic.store import Clinic
from cygnet.clinic.tables import assessment, image, lesion, patient, visit
from cygnet.errors import CygnetError
from cygnet.models import LesionModel
from cygnet.schema import ImageRecord
from cygnet.triage import Examined, Options, stream
from cygnet.triage.journal import Journal, fingerprint
from cygnet.triage.outlines import default_segmenter
from cygnet.version import VERSION

Progress = Callable[[int, int], None]


def lesion_name(number: int) -> str:
    """How an assessment and every page name a lesion: "L-7"."""
    return f"L-{number}"


def waiting(clinic: Clinic) -> list[int]:
    """Numbers of the assessments to be run, in the order in which they were asked for."""
    with clinic.read() as connection:
        statement = select(assessment.c.id).where(assessment.c.state == "waiting").order_by(assessment.c.id)
        return list(connection.execute(statement).scalars())


def run(
    clinic: Clinic,
    number: int,
    model: LesionModel | None = None,
    *,
    progress: Progress = lambda done, of: None,
    workers: int | None = None,
) -> None:
    """Run a waiting assessment. What an interrupted run had examined is not examined again.

    Raises
    ------
    UnknownError
        If there is none of that number.
    CygnetError
        If it cannot be done; its state is then "failed", with the reason.
    """
    row = _start(clinic, number)
    records = _records(clinic, row["visit_id"])
    model = model or LesionModel()
    folder = clinic.runs / str(number)
    try:
        content = _examine(records, row, model, folder, progress, workers)
    except CygnetError as error:
        _finish(clinic, number, state="failed", message=str(error))
        raise
    _finish(clinic, number, state="done", done=len(records), **content)
    shutil.rmtree(folder, ignore_errors=True)


def _start(clinic: Clinic, number: int) -> dict[str, Any]:
    with clinic.write() as connection:
        row = connection.execute(select(assessment).filter_by(id=number)).mappings().first()
        if row is None:
            raise UnknownError(f"there is no assessment {number}")
        connection.execute(assessment.update().filter_by(id=number).values(state="running", message=None))
        return dict(row)


def _records(clinic: Clinic, visit_id: int) -> list[ImageRecord]:
    statement = (
        select(
            image.c.name, image.c.sha256, lesion.c.number, lesion.c.site, patient.c.key, patient.c.age, patient.c.sex
        )
        .join(lesion, image.c.lesion_id == lesion.c.id)
        .join(patient, lesion.c.patient_id == patient.c.id)
        .where(image.c.visit_id == visit_id)
        .order_by(lesion.c.number, image.c.id)
    )
    with clinic.read() as connection:
        return [
            ImageRecord(
                image=row.name,
                path=clinic.pictures.path(row.sha256),
                patient_id=row.key,
                lesion_id=lesion_name(row.number),
                age=row.age,
                sex=row.sex,
                site=row.site,
            )
            for row in connection.execute(statement)
        ]


def _examine(
    records: list[ImageRecord],
    row: dict[str, Any],
    model: LesionModel,
    folder: Path,
    progress: Progress,
    workers: int | None,
) -> dict[str, Any]:
    models = f"{model.files.sha256} {default_segmenter().files.sha256}"
    mark = fingerprint(records, models, VERSION, 0)
    mine = folder / mark[:16]  # what other models or another version had examined is of no use
    mine.mkdir(parents=True, exist_ok=True)
    with Journal(mine, mark, resume=True) as journal:

        def on_image(position: int, e: Examined) -> None:
            journal.add(position, e)
            progress(position + 1, len(records))

        options = Options(row["prevalence"], row["guard"])
        made = stream(records, model, options, known=journal.known, on_image=on_image, workers=workers)
        found = next(iter(made)).assessment
    from_model = found.provenance
    return {
        "code_version": from_model.code_version,
        "model": from_model.model,
        "model_sha256": from_model.model_sha256,
        "segmenter_sha256": from_model.segmenter_sha256,
        "lesions": len(found.lesions),
        "assessable": len(found.assessable),
        "content": to_json(found),
    }


def _finish(clinic: Clinic, number: int, **values: Any) -> None:
    with clinic.write() as connection:
        connection.execute(assessment.update().filter_by(id=number).values(**values))
        statement = (
            select(patient.c.key, visit.c.day)
            .join(visit, visit.c.patient_id == patient.c.id)
            .join(assessment, assessment.c.visit_id == visit.c.id)
            .where(assessment.c.id == number)
        )
        who = connection.execute(statement).one()
        about = {"patient": who.key, "visit": who.day, "state": values["state"]}
        log.append(connection, "cygnet", "assess", about | {"model_sha256": values.get("model_sha256")})
