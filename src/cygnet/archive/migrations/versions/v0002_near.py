"""What near duplicates are found by among a million images."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Sketches and blocks of hashes; both are filled by the ingests that need them."""
    op.create_table(
        "sketch",
        sa.Column("image_id", ID, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_sketch_image_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_sketch")),
    )
    op.create_table(
        "hash_block",
        sa.Column("last_id", ID, nullable=False, autoincrement=False),
        sa.Column("pairs", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("last_id", name=op.f("pk_hash_block")),
    )
