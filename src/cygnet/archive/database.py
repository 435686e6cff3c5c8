"""The catalogue's database: opened, migrated, read from and written to.

Readers never wait. Writers take turns: on SQLite by ``BEGIN IMMEDIATE``, and before it by a lock among the threads of a process,
since SQLite lets those who wait try again by chance; on PostgreSQL by a lock on the row ``head``. So ids
are given in the order of commits, and a reader who pages by id misses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from cygnet.archive import tables
from cygnet.archive.extras import needs
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.dialects.postgresql import Insert

#: Seconds that a writer waits for its turn.
PATIENCE: Final = 120
#: What VACUUM sets aside may be larger than the memory.
_REWRITE: Final = (
    "PRAGMA temp_store=FILE",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA temp_store=MEMORY",
)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database:
    """One catalogue. ``url`` is SQLAlchemy's: ``sqlite:///FILE`` or ``postgresql+psycopg://...``."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._turn = Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether the catalogue is one SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the catalogue throughout."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with _understood(), self.engine.connect().execution_options(**level) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer overlaps; undone whole if anything in it fails."""
        options: dict[str, Any] = {"cygnet_write": True}
        with (
            self._in_turn(),
            _understood(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            if not self.is_sqlite:
                connection.execute(select(tables.head.c.id).with_for_update())
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=PATIENCE):
            raise OutputError(f"the catalogue is being written for more than {PATIENCE} s; nothing was changed")
        try:
            yield
        finally:
            self._turn.release()

    def migrate(self) -> None:
        """Create the tables, or bring them up to this version of Cygnet."""
        from alembic import command

        with _understood(), self.engine.connect() as connection, self._unlinked(connection), connection.begin():
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def _unlinked(self, connection: Connection) -> Iterator[None]:
        """On SQLite, without foreign keys: a table that is written anew is dropped before its copy takes the name.

        They can only be switched outside a transaction, so not through SQLAlchemy.
        """
        own = connection.connection.driver_connection if self.is_sqlite else None
        if own is None:
            yield
            return
        own.execute("PRAGMA foreign_keys=OFF").close()
        try:
            yield
        finally:
            own.execute("PRAGMA foreign_keys=ON").close()

    def check(self) -> None:
        """Refuse a catalogue that is missing, or older or newer than this version of Cygnet.

        Raises
        ------
        InputError
            Saying which of these it is and what to do.
        """
        from alembic.script import ScriptDirectory

        try:
            with self.engine.connect() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        except DBAPIError as error:
            raise InputError(
                f"{self.engine.url}: no catalogue can be read there ({error.orig}); "
                "create one with: cygnet archive init DIR"
            ) from error
        wanted = ScriptDirectory.from_config(_config()).get_current_head()
        if found != wanted:
            raise InputError(
                f"{self.engine.url}: the catalogue has version {found}, this Cygnet uses {wanted}; "
                "bring it up to date with: cygnet archive init DIR"
            )

    def rewrite(self) -> None:
        """Write the tables anew, so that nothing that was deleted lingers in free pages or in the write-ahead log.

        Readers of an earlier state are waited for.
        """
        self.close()
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with _understood(), self.engine.connect().execution_options(**options) as connection:
            if self.is_sqlite:
                for statement in _REWRITE:
                    connection.connection.execute(statement)
            else:
                connection.execute(text("VACUUM FULL"))

    def files(self) -> list[Path]:
        """The files that hold the tables; none that could be read where a server keeps them."""
        if not self.is_sqlite:
            return []
        path = Path(self.engine.url.database or "")
        return [found for ending in ("", "-wal") if (found := path.with_name(path.name + ending)).exists()]

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that can say ON CONFLICT, in the connection's dialect; both dialects' have the same methods."""
    from sqlalchemy.dialects import postgresql, sqlite

    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]
    return postgresql.insert(table)


def _engine(url: str) -> Engine:
    if url.startswith(("postgres://", "postgresql://")):
        url = "postgresql+psycopg://" + url.partition("://")[2]
    if not url.startswith(("sqlite://", "postgresql+psycopg://")):
        raise InputError(f"{url.partition('://')[0]}: the catalogue can be on sqlite:///FILE or postgresql://HOST/NAME")
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": PATIENCE}, pool_timeout=PATIENCE, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    with needs("psycopg"):
        return create_engine(url, pool_pre_ping=True, pool_timeout=PATIENCE, hide_parameters=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, below
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-65536",
        "mmap_size=1073741824",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("cygnet_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _understood() -> Iterator[None]:
    """Foreign errors that a user can do something about, in words."""
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:  # the latter where a connection is made ready
        said = error.orig if isinstance(error, OperationalError) else error
        words = str(said).lower()
        if "readonly" in words or "disk" in words or "full" in words or "locked" in words:
            raise OutputError(f"the catalogue cannot be written ({said}); nothing was changed") from error
        if "unable to open" in words or "connect" in words:
            raise InputError(f"the catalogue cannot be reached ({said})") from error
        raise
