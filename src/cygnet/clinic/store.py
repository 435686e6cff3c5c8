"""The clinic as one object: its database, its pictures, its log."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, func, select

from cygnet.archive import log
from cygnet.archive.blobs import FolderBlobs
from cygnet.archive.database import Database
from cygnet.clinic import tables
from cygnet.clinic.errors import TamperedError
from cygnet.clinic.tables import assessment, reader
from cygnet.errors import OutputError

FILE: Final = "clinic.sqlite"
PICTURES: Final = "clinic-pictures"
RUNS: Final = "clinic-runs"
#: What the server keeps of the progress of its runs, whose titles may name a patient.
NOTICES: Final = "runs"


class Clinic:
    """The clinic in a folder, made where there is none. Safe to use from any number of threads."""

    def __init__(self, folder: Path, *, verify: bool = True) -> None:
        """Open it.

        Raises
        ------
        TamperedError
            If the audit log is not as it was written and ``verify`` is asked for.
        OutputError
            If the folder cannot be written to.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
        self.path = folder / FILE
        self.database = Database(f"sqlite:///{self.path.absolute()}")
        self.pictures = FolderBlobs(folder / PICTURES)
        self.runs = folder / RUNS
        _create(self.database)
        self.pictures.tidy()
        if verify:
            with self.read() as connection:
                problems = log.broken_links(connection)
            if problems:
                raise TamperedError(
                    f"{self.path}: the audit log is not as it was written ({problems[0]}); "
                    "keep this file for whoever looks into it, and restore a backup: cygnet clinic restore"
                )

    def read(self) -> Any:
        """A connection that sees one state throughout."""
        return self.database.read()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer overlaps; undone whole if anything in it fails."""
        with self.database.write() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _create(database: Database) -> None:
    with database.write() as connection:
        tables.metadata.create_all(connection)
        _add_columns(connection)
        for table in (tables.log, tables.head):
            table.create(connection, checkfirst=True)
        if not connection.execute(select(func.count()).select_from(tables.head)).scalar():
            connection.execute(tables.head.insert().values(id=1, log_id=0, hash=log.NOTHING))
        for statement in tables.triggers():
            connection.exec_driver_sql(statement)
        connection.execute(assessment.update().where(assessment.c.state == "running").values(state="waiting"))


def _add_columns(connection: Connection) -> None:
    """Bring a clinic of an earlier version up to this one: columns that may be empty are added."""
    for table in tables.metadata.sorted_tables:
        there = {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table.name})")}
        for column in table.c:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")


def pseudonym(connection: Connection, name: str) -> str:
    """What a study calls a reader; made when first asked for, within a writing transaction."""
    found = connection.execute(select(reader.c.pseudonym).where(reader.c.name == name)).scalar()
    if found is None:
        found = f"R-{secrets.token_hex(3)}"
        connection.execute(reader.insert().values(name=name, pseudonym=found))
    return str(found)


def random_key() -> str:
    """A name that says nothing."""
    return secrets.token_hex(8)
