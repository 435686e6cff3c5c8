"""Several images of one file: the frames of a DICOM object."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A frame's number beside the file's hash; both together are unique. SQLite writes the table anew for that."""
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.add_column(sa.Column("frame", sa.Integer(), nullable=False, server_default="0"))
        batch_op.drop_constraint("uq_image_original_sha256", type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_image_original_sha256_frame"), ["original_sha256", "frame"])
