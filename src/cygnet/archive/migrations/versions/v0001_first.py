"""The first catalogue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: The hash before the first entry of the log.
NOTHING = "0" * 64
_SQLITE = """
CREATE TRIGGER log_no_{verb} BEFORE {verb} ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
"""
_POSTGRESQL = """
CREATE FUNCTION log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$;
CREATE TRIGGER log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log
FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only()
"""


def _guard_log() -> None:
    """Neither changed nor deleted entries, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(verb=verb))
    else:
        op.execute(_POSTGRESQL)


def upgrade() -> None:
    """Every table of the first version."""
    op.create_table(
        "accession",
        sa.Column("id", ID, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("cohort", TEXT, nullable=False),
        sa.Column("options", TEXT, nullable=False),
        sa.Column("counts", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accession")),
    )
    op.create_table(
        "collection",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("doi", TEXT, nullable=True),
        sa.Column("created", TEXT, nullable=False),
        sa.CheckConstraint("NOT pinned OR public", name=op.f("ck_collection_pinned_is_public")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection")),
        sa.UniqueConstraint("name", name=op.f("uq_collection_name")),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_head")),
    )
    op.create_table(
        "log",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("previous", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log")),
        sa.UniqueConstraint("hash", name=op.f("uq_log_hash")),
    )
    op.create_table(
        "patient",
        sa.Column("id", ID, nullable=False),
        sa.Column("public_id", TEXT, nullable=False),
        sa.Column("cohort", TEXT, nullable=False),
        sa.Column("private_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint("cohort", "private_id", name=op.f("uq_patient_cohort_private_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_patient_public_id")),
    )
    op.create_table(
        "profile",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=True),
        sa.Column("last_id", sa.BigInteger(), nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("copyright_license", TEXT, nullable=False),
        sa.Column("attribution", TEXT, nullable=False),
        sa.Column("image_type", TEXT, nullable=True),
        sa.Column("dermoscopic_type", TEXT, nullable=True),
        sa.Column("image_manipulation", TEXT, nullable=True),
        sa.Column("age_approx", sa.Integer(), nullable=True),
        sa.Column("sex", TEXT, nullable=True),
        sa.Column("anatom_site_1", TEXT, nullable=True),
        sa.Column("anatom_site_2", TEXT, nullable=True),
        sa.Column("anatom_site_3", TEXT, nullable=True),
        sa.Column("anatom_site_4", TEXT, nullable=True),
        sa.Column("anatom_site_5", TEXT, nullable=True),
        sa.Column("anatom_site_special", TEXT, nullable=True),
        sa.Column("diagnosis_1", TEXT, nullable=True),
        sa.Column("diagnosis_2", TEXT, nullable=True),
        sa.Column("diagnosis_3", TEXT, nullable=True),
        sa.Column("diagnosis_4", TEXT, nullable=True),
        sa.Column("diagnosis_5", TEXT, nullable=True),
        sa.Column("diagnosis_confirm_type", TEXT, nullable=True),
        sa.Column("concomitant_biopsy", sa.Boolean(), nullable=True),
        sa.Column("melanocytic", sa.Boolean(), nullable=True),
        sa.Column("personal_hx_mm", sa.Boolean(), nullable=True),
        sa.Column("family_hx_mm", sa.Boolean(), nullable=True),
        sa.Column("mel_ulcer", sa.Boolean(), nullable=True),
        sa.Column("mel_mitotic_index", TEXT, nullable=True),
        sa.Column("fitzpatrick_skin_type", TEXT, nullable=True),
        sa.Column("tbp_tile_type", TEXT, nullable=True),
        sa.CheckConstraint(
            "concomitant_biopsy IS NOT TRUE OR coalesce(diagnosis_confirm_type, '') = 'histopathology'",
            name=op.f("ck_profile_biopsy"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'accepted', 'rejected', 'published', 'embargoed')", name=op.f("ck_profile_state")
        ),
        sa.CheckConstraint("n >= 0", name=op.f("ck_profile_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile")),
        sa.UniqueConstraint("key", name=op.f("uq_profile_key")),
    )
    op.create_table(
        "rcm_case",
        sa.Column("id", ID, nullable=False),
        sa.Column("public_id", TEXT, nullable=False),
        sa.Column("cohort", TEXT, nullable=False),
        sa.Column("private_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rcm_case")),
        sa.UniqueConstraint("cohort", "private_id", name=op.f("uq_rcm_case_cohort_private_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_rcm_case_public_id")),
    )
    op.create_table(
        "setting",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "snapshot",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", TEXT, nullable=False),
        sa.Column("manifest_size", sa.BigInteger(), nullable=False),
        sa.Column("citation", TEXT, nullable=False),
        sa.Column("doi", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        sa.UniqueConstraint("name", name=op.f("uq_snapshot_name")),
    )
    op.create_table(
        "collection_share",
        sa.Column("collection_id", ID, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collection.id"], name=op.f("fk_collection_share_collection_id")),
        sa.PrimaryKeyConstraint("collection_id", "user", name=op.f("pk_collection_share")),
    )
    op.create_table(
        "lesion",
        sa.Column("id", ID, nullable=False),
        sa.Column("public_id", TEXT, nullable=False),
        sa.Column("cohort", TEXT, nullable=False),
        sa.Column("private_id", TEXT, nullable=False),
        sa.Column("patient_ref", ID, nullable=True),
        sa.ForeignKeyConstraint(["patient_ref"], ["patient.id"], name=op.f("fk_lesion_patient_ref")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesion")),
        sa.UniqueConstraint("cohort", "private_id", name=op.f("uq_lesion_cohort_private_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_lesion_public_id")),
    )
    with op.batch_alter_table("lesion", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lesion_patient_ref"), ["patient_ref"], unique=False)

    op.create_table(
        "refusal",
        sa.Column("id", ID, nullable=False),
        sa.Column("accession_id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("findings", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_refusal_accession_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
        sa.UniqueConstraint("accession_id", "name", "sha256", name=op.f("uq_refusal_accession_id_name_sha256")),
    )
    with op.batch_alter_table("refusal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refusal_accession_id"), ["accession_id"], unique=False)

    op.create_table(
        "image",
        sa.Column("id", ID, nullable=False),
        sa.Column("isic_id", TEXT, nullable=False),
        sa.Column("profile_id", ID, nullable=False),
        sa.Column("patient_ref", ID, nullable=True),
        sa.Column("lesion_ref", ID, nullable=True),
        sa.Column("accession_id", ID, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("embargo_until", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("original_sha256", TEXT, nullable=False),
        sa.Column("original_size", sa.BigInteger(), nullable=False),
        sa.Column("original_type", TEXT, nullable=False),
        sa.Column("view_sha256", TEXT, nullable=False),
        sa.Column("view_size", sa.BigInteger(), nullable=False),
        sa.Column("thumbnail_sha256", TEXT, nullable=False),
        sa.Column("thumbnail_size", sa.BigInteger(), nullable=False),
        sa.Column("pixels_x", sa.Integer(), nullable=False),
        sa.Column("pixels_y", sa.Integer(), nullable=False),
        sa.Column("pixels_sha256", TEXT, nullable=False),
        sa.Column("phash", sa.BigInteger(), nullable=False),
        sa.Column("acquisition_day", sa.Integer(), nullable=True),
        sa.Column("clin_size_long_diam_mm", sa.Float(), nullable=True),
        sa.Column("mel_thick_mm", sa.Float(), nullable=True),
        sa.Column("rcm_case_id", TEXT, nullable=True),
        sa.Column("record", TEXT, nullable=False),
        sa.Column("contributed", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["accession_id"], ["accession.id"], name=op.f("fk_image_accession_id")),
        sa.ForeignKeyConstraint(["lesion_ref"], ["lesion.id"], name=op.f("fk_image_lesion_ref")),
        sa.ForeignKeyConstraint(["patient_ref"], ["patient.id"], name=op.f("fk_image_patient_ref")),
        sa.ForeignKeyConstraint(["profile_id"], ["profile.id"], name=op.f("fk_image_profile_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("isic_id", name=op.f("uq_image_isic_id")),
        sa.UniqueConstraint("original_sha256", name=op.f("uq_image_original_sha256")),
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_accession_id"), ["accession_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_image_acquisition_day_profile_id"), ["acquisition_day", "profile_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_image_clin_size_long_diam_mm_profile_id"),
            ["clin_size_long_diam_mm", "profile_id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_image_lesion_ref_id"), ["lesion_ref", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_image_mel_thick_mm_profile_id"), ["mel_thick_mm", "profile_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_image_patient_ref_id"), ["patient_ref", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_pixels_sha256"), ["pixels_sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_profile_id_id"), ["profile_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_rcm_case_id"), ["rcm_case_id"], unique=False)

    op.create_table(
        "collection_image",
        sa.Column("collection_id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collection.id"], name=op.f("fk_collection_image_collection_id")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_collection_image_image_id")),
        sa.PrimaryKeyConstraint("collection_id", "image_id", name=op.f("pk_collection_image")),
    )
    with op.batch_alter_table("collection_image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_collection_image_image_id"), ["image_id"], unique=False)

    op.create_table(
        "embedding",
        sa.Column("image_id", ID, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_embedding_image_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_embedding")),
    )
    op.create_table(
        "finding",
        sa.Column("id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("group", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("settled", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_finding_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_finding_image_id"), ["image_id"], unique=False)

    op.create_table(
        "image_version",
        sa.Column("image_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("replaced", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("record", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_image_version_image_id")),
        sa.PrimaryKeyConstraint("image_id", "version", name=op.f("pk_image_version")),
    )
    op.create_table(
        "review",
        sa.Column("id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reader", TEXT, nullable=False),
        sa.Column("accepts", sa.Boolean(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("created", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_review_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("image_id", "version", "reader", name=op.f("uq_review_image_id_version_reader")),
    )
    op.execute(sa.text("INSERT INTO head (id, log_id, hash) VALUES (1, 0, :hash)").bindparams(hash=NOTHING))
    _guard_log()
