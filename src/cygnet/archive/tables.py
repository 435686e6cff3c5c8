"""The catalogue's tables, the same on SQLite and PostgreSQL.

Text compares byte by byte on both (collation "C" on PostgreSQL), so that both find and order alike. Times are UTC in ISO 8601.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from cygnet.archive.fields import BY_NAME, PROFILE, STATES

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

TEXT: Final = String().with_variant(String(collation="C"), "postgresql")
#: SQLite counts up only what is declared INTEGER.
ID: Final = BigInteger().with_variant(Integer(), "sqlite")


def _profile_column(name: str) -> Column[Any]:
    field = BY_NAME[name]
    kinds: dict[str, Any] = {"text": TEXT, "bool": Boolean(create_constraint=False), "number": Integer()}
    return Column(name, kinds[field.kind], nullable=name not in ("copyright_license", "attribution"))


#: One row per combination of the few-valued fields that some image has. ``n`` images have it now, in the same
#: transaction as they change; ``first_id`` and ``last_id`` bound their ids, though not always tightly.
profile: Final = Table(
    "profile",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", TEXT, nullable=False, unique=True),
    Column("n", Integer, nullable=False, default=0),
    Column("first_id", BigInteger),
    Column("last_id", BigInteger),
    Column("state", TEXT, nullable=False),
    *(_profile_column(name) for name in PROFILE),
    CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", "state"),
    CheckConstraint("n >= 0", "count"),
    CheckConstraint(
        "concomitant_biopsy IS NOT TRUE OR coalesce(diagnosis_confirm_type, '') = 'histopathology'",
        "biopsy",
    ),
)

patient: Final = Table(
    "patient",
    metadata,
    Column("id", ID, primary_key=True),
    Column("public_id", TEXT, nullable=False, unique=True),
    Column("cohort", TEXT, nullable=False),
    Column("private_id", TEXT, nullable=False),
    UniqueConstraint("cohort", "private_id"),
)

lesion: Final = Table(
    "lesion",
    metadata,
    Column("id", ID, primary_key=True),
    Column("public_id", TEXT, nullable=False, unique=True),
    Column("cohort", TEXT, nullable=False),
    Column("private_id", TEXT, nullable=False),
    Column("patient_ref", ForeignKey("patient.id"), index=True),
    UniqueConstraint("cohort", "private_id"),
)

rcm_case: Final = Table(
    "rcm_case",
    metadata,
    Column("id", ID, primary_key=True),
    Column("public_id", TEXT, nullable=False, unique=True),
    Column("cohort", TEXT, nullable=False),
    Column("private_id", TEXT, nullable=False),
    UniqueConstraint("cohort", "private_id"),
)

#: One call of ``ingest``. ``options`` and ``counts`` are JSON.
accession: Final = Table(
    "accession",
    metadata,
    Column("id", ID, primary_key=True),
    Column("created", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("cohort", TEXT, nullable=False),
    Column("options", TEXT, nullable=False),
    Column("counts", TEXT),
)

#: ``sha256`` of the original bytes, of the view and of the thumbnail name blobs; ``frame`` is which of the original's pictures
#: it is, from 1, or 0 where there is one. ``pixels_sha256`` is of the decoded pixels,
#: ``phash`` the perceptual hash. ``record`` is the metadata in the terms of ISIC 6.1 (JSON), with private ids; ``contributed``
#: the row as it came, word for word. ``digest`` is what the audit log says of this version.
image: Final = Table(
    "image",
    metadata,
    Column("id", ID, primary_key=True),
    Column("isic_id", TEXT, nullable=False, unique=True),
    Column("profile_id", ForeignKey("profile.id"), nullable=False),
    Column("patient_ref", ForeignKey("patient.id")),
    Column("lesion_ref", ForeignKey("lesion.id")),
    Column("accession_id", ForeignKey("accession.id"), nullable=False),
    Column("created", TEXT, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("embargo_until", TEXT),
    Column("name", TEXT, nullable=False),
    Column("original_sha256", TEXT, nullable=False),
    Column("frame", Integer, nullable=False, server_default="0"),
    Column("original_size", BigInteger, nullable=False),
    Column("original_type", TEXT, nullable=False),
    Column("view_sha256", TEXT, nullable=False),
    Column("view_size", BigInteger, nullable=False),
    Column("thumbnail_sha256", TEXT, nullable=False),
    Column("thumbnail_size", BigInteger, nullable=False),
    Column("pixels_x", Integer, nullable=False),
    Column("pixels_y", Integer, nullable=False),
    Column("pixels_sha256", TEXT, nullable=False),
    Column("phash", BigInteger, nullable=False),
    Column("acquisition_day", Integer),
    Column("clin_size_long_diam_mm", Float),
    Column("mel_thick_mm", Float),
    Column("rcm_case_id", TEXT),
    Column("record", TEXT, nullable=False),
    Column("contributed", TEXT, nullable=False),
    Column("digest", TEXT, nullable=False),
    UniqueConstraint("original_sha256", "frame"),
    Index(None, "profile_id", "id"),
    Index(None, "patient_ref", "id"),
    Index(None, "lesion_ref", "id"),
    Index(None, "accession_id"),
    Index(None, "pixels_sha256"),
    Index(None, "acquisition_day", "profile_id"),
    Index(None, "clin_size_long_diam_mm", "profile_id"),
    Index(None, "mel_thick_mm", "profile_id"),
    Index(None, "rcm_case_id"),
)

#: Earlier metadata of an image: what ``record`` was before version ``version + 1``.
image_version: Final = Table(
    "image_version",
    metadata,
    Column("image_id", ForeignKey("image.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("replaced", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("digest", TEXT, nullable=False),
)

#: What the checks said of an image that is in the archive. ``level`` is hold (a person must look) or note.
finding: Final = Table(
    "finding",
    metadata,
    Column("id", ID, primary_key=True),
    Column("image_id", ForeignKey("image.id"), nullable=False, index=True),
    Column("level", TEXT, nullable=False),
    Column("group", TEXT, nullable=False),
    Column("code", TEXT, nullable=False),
    Column("message", TEXT, nullable=False),
    Column("settled", TEXT),
)

#: What ingest refused, so that nothing vanishes without a reason. ``findings`` is JSON.
refusal: Final = Table(
    "refusal",
    metadata,
    Column("id", ID, primary_key=True),
    Column("accession_id", ForeignKey("accession.id"), nullable=False, index=True),
    Column("name", TEXT, nullable=False),
    Column("sha256", TEXT, nullable=False),
    Column("findings", TEXT, nullable=False),
    UniqueConstraint("accession_id", "name", "sha256"),
)

#: One reader's verdict on one version of an image.
review: Final = Table(
    "review",
    metadata,
    Column("id", ID, primary_key=True),
    Column("image_id", ForeignKey("image.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reader", TEXT, nullable=False),
    Column("accepts", Boolean(create_constraint=False), nullable=False),
    Column("reason", TEXT),
    Column("note", TEXT),
    Column("created", TEXT, nullable=False),
    UniqueConstraint("image_id", "version", "reader"),
)

collection: Final = Table(
    "collection",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("description", TEXT, nullable=False, default=""),
    Column("public", Boolean(create_constraint=False), nullable=False, default=False),
    Column("pinned", Boolean(create_constraint=False), nullable=False, default=False),
    Column("locked", Boolean(create_constraint=False), nullable=False, default=False),
    Column("doi", TEXT),
    Column("created", TEXT, nullable=False),
    CheckConstraint("NOT pinned OR public", "pinned_is_public"),
)

collection_image: Final = Table(
    "collection_image",
    metadata,
    Column("collection_id", ForeignKey("collection.id"), primary_key=True),
    Column("image_id", ForeignKey("image.id"), primary_key=True),
    Index(None, "image_id"),
)

#: Who besides its owner may see a collection and the images in it.
collection_share: Final = Table(
    "collection_share",
    metadata,
    Column("collection_id", ForeignKey("collection.id"), primary_key=True),
    Column("user", TEXT, primary_key=True),
)

#: A frozen list of images and files. ``manifest_sha256`` names the blob that holds it.
snapshot: Final = Table(
    "snapshot",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("created", TEXT, nullable=False),
    Column("query", TEXT, nullable=False),
    Column("images", Integer, nullable=False),
    Column("manifest_sha256", TEXT, nullable=False),
    Column("manifest_size", BigInteger, nullable=False),
    Column("citation", TEXT, nullable=False),
    Column("doi", TEXT),
)

#: ``vector`` holds float16 values of length 1 together, from the model whose file has the hash ``model``.
embedding: Final = Table(
    "embedding",
    metadata,
    Column("image_id", ForeignKey("image.id"), primary_key=True),
    Column("model", TEXT, nullable=False),
    Column("vector", LargeBinary, nullable=False),
)

#: What a thumbnail is compared by before it is read (:mod:`cygnet.imaging.sketch`): float16 values together.
sketch: Final = Table(
    "sketch",
    metadata,
    Column("image_id", ForeignKey("image.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

#: Ids and perceptual hashes of consecutive images together, int64 and uint64 by turns, so that a million are read at once.
#: ``last_id`` is the last id within. The latest images are in none yet.
hash_block: Final = Table(
    "hash_block",
    metadata,
    Column("last_id", ID, primary_key=True, autoincrement=False),
    Column("pairs", LargeBinary, nullable=False),
)

#: Append-only (triggers refuse changes). ``hash`` covers the entry and ``previous``, the hash of the one before.
log: Final = Table(
    "log",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("action", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("previous", TEXT, nullable=False),
    Column("hash", TEXT, nullable=False, unique=True),
)

#: One row: the last entry of the log. Writers lock it first, so that they take turns on PostgreSQL as on SQLite.
head: Final = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("log_id", BigInteger, nullable=False),
    Column("hash", TEXT, nullable=False),
)

#: Settings of the archive itself, such as the number of readers.
setting: Final = Table(
    "setting",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)
