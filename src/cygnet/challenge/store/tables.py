"""The tables of hosted challenges. Times are UTC in ISO 8601; results are JSON, bootstrap values float32 bytes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData()

#: ``state``: draft, open, frozen, revealed. ``salt`` stays secret until the challenge is revealed.
challenge: Final = Table(
    "challenge",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("truth_sha256", String, nullable=False),
    Column("truth_name", String, nullable=False),
    Column("metadata_sha256", String),
    Column("salt", String, nullable=False),
    Column("commitment", String, nullable=False),
    Column("images", Integer, nullable=False),
    Column("public_images", Integer, nullable=False),
    Column("created_at", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("frozen_at", String),
    Column("revealed_at", String),
)
team: Final = Table(
    "team",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("challenge_id", ForeignKey("challenge.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("final_run_id", Integer),
    UniqueConstraint("challenge_id", "name"),
)
#: Accounts of a team; an account is in one team of a challenge at most.
member: Final = Table(
    "member",
    metadata,
    Column("challenge_id", ForeignKey("challenge.id"), primary_key=True),
    Column("account", String, primary_key=True),
    Column("team_id", ForeignKey("team.id"), nullable=False),
)
approach: Final = Table(
    "approach",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("team_id", ForeignKey("team.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("external_data", Text, nullable=False, default=""),
    UniqueConstraint("team_id", "name"),
)
#: ``state``: waiting, scoring, scored, refused. ``claim`` names the process that scores it. ``number`` counts within the team.
run: Final = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("challenge_id", ForeignKey("challenge.id"), nullable=False),
    Column("team_id", ForeignKey("team.id"), nullable=False),
    Column("approach_id", ForeignKey("approach.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("claim", String),
    Column("claimed_at", String),
    Column("file_sha256", String, nullable=False),
    Column("file_name", String, nullable=False),
    Column("sent_at", String, nullable=False),
    Column("sent_by", String, nullable=False),
    Column("scored_at", String),
    Column("problems", JSON),
    Column("public", JSON),
    Column("public_drawn", LargeBinary),
    Column("private", JSON),
    Column("private_drawn", LargeBinary),
    Index("ix_run_challenge_state", "challenge_id", "state"),
    Index("ix_run_team", "team_id"),
)
#: Who touched the test set, and what else happened: never changed, only added to.
access: Final = Table(
    "access",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("challenge_id", ForeignKey("challenge.id"), nullable=False),
    Column("team_id", Integer),
    Column("run_id", Integer),
    Column("at", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", String, nullable=False, default=""),
    Index("ix_access_challenge", "challenge_id", "what"),
)
