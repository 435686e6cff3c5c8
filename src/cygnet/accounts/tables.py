"""The tables of accounts. Times are seconds since 1970."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table

metadata: Final = MetaData()

account: Final = Table(
    "account",
    metadata,
    Column("name", String, primary_key=True),
    Column("password", String, nullable=False),
    Column("created", Float, nullable=False),
)
account_role: Final = Table(
    "account_role",
    metadata,
    Column("name", ForeignKey("account.name", ondelete="CASCADE"), primary_key=True),
    Column("role", String, primary_key=True),
)
#: ``digest`` is the SHA-256 of the token, which itself is shown once and kept nowhere.
token: Final = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("name", ForeignKey("account.name", ondelete="CASCADE"), nullable=False),
    Column("label", String, nullable=False),
    Column("created", Float, nullable=False),
)
session: Final = Table(
    "session",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", ForeignKey("account.name", ondelete="CASCADE"), nullable=False),
    Column("expires", Float, nullable=False),
)
#: One row: the key that seals forms and addresses.
secret: Final = Table(
    "secret", metadata, Column("id", Integer, primary_key=True), Column("value", String, nullable=False)
)
