"""The clinic's tables: one SQLite file beside the archive's catalogue.

Verdicts, outcomes, reveals and the audit log only grow: triggers refuse changes, and refuse deletion but for the rows of a patient
who is being erased. The log itself names patients by their random ``key`` only, so that it can stay when a patient goes.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from cygnet.archive.tables import head, log

CHOICES: Final = ("benign", "monitor", "biopsy", "unsure")
STATES: Final = ("waiting", "running", "done", "failed")

metadata: Final = MetaData()

#: ``key`` is random and names the patient in log and pseudonymised exports; ``label`` is what the clinic calls the patient.
patient: Final = Table(
    "patient",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("label", Text, nullable=False, unique=True),
    Column("age", Float),
    Column("sex", Text),
    Column("skin_type", Text),
    Column("simulated", Boolean(create_constraint=False), nullable=False, default=False),
    Column("source", Text, nullable=False),
    Column("created", Text, nullable=False),
)

visit: Final = Table(
    "visit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("patient_id", ForeignKey("patient.id"), nullable=False),
    Column("day", Text, nullable=False),
    UniqueConstraint("patient_id", "day"),
)

#: ``number`` counts a patient's lesions from 1: what is written on the body map. ``name`` is the source's.
lesion: Final = Table(
    "lesion",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("patient_id", ForeignKey("patient.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("site", Text),
    Column("path", Text),
    Column("laterality", Text),
    UniqueConstraint("patient_id", "number"),
    UniqueConstraint("patient_id", "name"),
)

#: ``sha256`` is of the picture without anything else that the file carried; of the file as it came where it has no picture,
#: and ``thumbnail`` then is empty. ``mm_per_pixel`` is its scale where that is known.
image: Final = Table(
    "image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("visit_id", ForeignKey("visit.id"), nullable=False),
    Column("lesion_id", ForeignKey("lesion.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False, index=True),
    Column("thumbnail", Text, index=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("mm_per_pixel", Float),
    UniqueConstraint("visit_id", "name"),
)

#: One run of Cygnet on one visit. ``content`` is the assessment as JSON once it is done.
assessment: Final = Table(
    "assessment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("visit_id", ForeignKey("visit.id"), nullable=False, index=True),
    Column("created", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("images", Integer, nullable=False),
    Column("done", Integer, nullable=False, default=0),
    Column("prevalence", Float, nullable=False),
    Column("guard", Float, nullable=False),
    Column("code_version", Text),
    Column("model", Text),
    Column("model_sha256", Text),
    Column("segmenter_sha256", Text),
    Column("lesions", Integer),
    Column("assessable", Integer),
    Column("message", Text),
    Column("content", Text),
    CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", "state"),
)

#: When a reader was shown a lesion, for the time that a verdict took.
opened: Final = Table(
    "opened",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lesion_id", ForeignKey("lesion.id"), nullable=False),
    Column("visit_id", ForeignKey("visit.id"), nullable=False),
    Column("reader", Text, nullable=False),
    Column("at", Text, nullable=False),
    Index(None, "lesion_id", "visit_id", "reader"),
)

#: One version of the verdict on a lesion at a visit. ``choice`` is empty where a verdict was taken back; ``seconds`` from being shown
#: the lesion; ``together`` where several were given with one click; ``key`` is the request's own, so that sending it twice counts once.
verdict: Final = Table(
    "verdict",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lesion_id", ForeignKey("lesion.id"), nullable=False),
    Column("visit_id", ForeignKey("visit.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reader", Text, nullable=False),
    Column("choice", Text),
    Column("note", Text, nullable=False, default=""),
    Column("at", Text, nullable=False),
    Column("seconds", Float),
    Column("after_reveal", Boolean(create_constraint=False), nullable=False),
    Column("together", Boolean(create_constraint=False), nullable=False, default=False),
    Column("key", Text, nullable=False),
    UniqueConstraint("lesion_id", "visit_id", "version"),
    UniqueConstraint("reader", "key", "lesion_id"),
    CheckConstraint(f"choice IN ({', '.join(map(repr, CHOICES))})", "choice"),
)

#: That a reader may see what Cygnet says of a lesion at a visit.
reveal: Final = Table(
    "reveal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lesion_id", ForeignKey("lesion.id"), nullable=False),
    Column("visit_id", ForeignKey("visit.id"), nullable=False),
    Column("reader", Text, nullable=False),
    Column("at", Text, nullable=False),
    UniqueConstraint("lesion_id", "visit_id", "reader"),
)

#: What a lesion turned out to be, one row a version.
outcome: Final = Table(
    "outcome",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lesion_id", ForeignKey("lesion.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("malignant", Boolean(create_constraint=False), nullable=False),
    Column("diagnosis", Text, nullable=False, default=""),
    Column("method", Text, nullable=False),
    Column("day", Text, nullable=False, default=""),
    Column("reader", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("key", Text, nullable=False),
    UniqueConstraint("lesion_id", "version"),
    UniqueConstraint("reader", "key"),
)

#: Readers and the pseudonyms that a study knows them by.
reader: Final = Table(
    "reader",
    metadata,
    Column("name", Text, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True),
)

setting: Final = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: Patients whose rows may be deleted now; empty but within the transaction of an erasure.
erasing: Final = Table("erasing", metadata, Column("patient_id", Integer, primary_key=True))

#: Tables that only grow, each with how its rows lead to a patient.
GROWING: Final = dict.fromkeys(
    ("verdict", "reveal", "outcome"), "(SELECT patient_id FROM lesion WHERE id = OLD.lesion_id)"
)


def triggers() -> list[str]:
    """SQL that holds the promise of the growing tables and the log."""
    made = [
        f"CREATE TRIGGER IF NOT EXISTS {name}_no_update BEFORE UPDATE ON {name} "
        f"BEGIN SELECT RAISE(ABORT, '{name} only grows'); END"
        for name in (*GROWING, "log")
    ]
    made += [
        f"CREATE TRIGGER IF NOT EXISTS {name}_no_delete BEFORE DELETE ON {name} "
        f"WHEN {owner} NOT IN (SELECT patient_id FROM erasing) BEGIN SELECT RAISE(ABORT, '{name} only grows'); END"
        for name, owner in GROWING.items()
    ]
    made.append(
        "CREATE TRIGGER IF NOT EXISTS log_no_delete BEFORE DELETE ON log "
        "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
    )
    return made


__all__ = ["CHOICES", "STATES", "head", "log", "metadata", "triggers"]
