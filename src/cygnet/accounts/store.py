"""Accounts on disk. Passwords are kept as argon2id hashes, tokens and sessions as SHA-256 of 256 random bits."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.exc import IntegrityError, OperationalError

from cygnet.accounts.roles import Actor, Role
from cygnet.accounts.tables import account, account_role, metadata, secret, session, token
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

#: Characters that a password needs at least (NIST SP 800-63B asks for 8 with a second factor, 15 without; clinics type it often).
SHORTEST_PASSWORD: Final = 12
_LONGEST_PASSWORD: Final = 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
#: How every API token begins, so that one found in a file is recognised.
TOKEN_PREFIX: Final = "cygnet_"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has begun: ``key`` goes into the cookie and is kept nowhere else. ``expires`` is in seconds since 1970."""

    key: str
    actor: Actor
    expires: float


class Accounts:
    """The accounts in one SQLite file, which is made if it is not there. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise OutputError(f"{path}: cannot be made ({error.strerror}); choose another folder") from error
        self._engine = create_engine(f"sqlite:///{path.absolute()}", hide_parameters=True)
        event.listen(self._engine, "connect", _prepare)
        metadata.create_all(self._engine)
        self._secret = self._read_secret()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, sqlite3.OperationalError) as error:  # the latter where a connection is made ready
            said = error.orig if isinstance(error, OperationalError) else error
            raise OutputError(f"the accounts cannot be read or written ({said}); free some space") from error

    def _read_secret(self) -> bytes:
        with self._open() as connection, suppress(IntegrityError):
            connection.execute(secret.insert().values(id=1, value=secrets.token_hex(32)))
        with self._open() as connection:
            return bytes.fromhex(connection.execute(select(secret.c.value)).scalar_one())

    def seal(self, purpose: str, text: str) -> str:
        """A code that only this server can make for a text (HMAC-SHA-256), for one purpose."""
        return hmac.new(self._secret, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def sealed(self, purpose: str, text: str, code: str) -> bool:
        """Whether a code is the one for this text."""
        return hmac.compare_digest(self.seal(purpose, text).encode(), code.encode("utf-8", "replace"))

    def any(self) -> bool:
        """Whether there is an account."""
        with self._open() as connection:
            return connection.execute(select(account.c.name).limit(1)).scalar() is not None

    def add(self, name: str, password: str, roles: Iterable[Role]) -> None:
        """Make an account.

        Raises
        ------
        InputError
            If the name is taken or no name, no role is given, or the password is too short.
        """
        _good(name, password, roles := set(roles))
        hashed = _hasher().hash(password)
        try:
            with self._open() as connection:
                connection.execute(account.insert().values(name=name, password=hashed, created=time.time()))
                connection.execute(account_role.insert(), [{"name": name, "role": role.value} for role in roles])
        except IntegrityError as error:
            raise InputError(f"there is an account {name!r} already; remove it first to make it anew") from error

    def remove(self, name: str) -> None:
        """Remove an account with its tokens and sessions.

        Raises
        ------
        InputError
            If there is none.
        """
        with self._open() as connection:
            if not connection.execute(account.delete().where(account.c.name == name)).rowcount:
                raise InputError(f"no account {name!r}")

    def set_password(self, name: str, password: str) -> None:
        """Change a password, which ends the account's sessions.

        Raises
        ------
        InputError
            If there is no such account or the password is too short.
        """
        _good(name, password, {Role.VIEWER})
        hashed = _hasher().hash(password)
        with self._open() as connection:
            if not connection.execute(account.update().where(account.c.name == name).values(password=hashed)).rowcount:
                raise InputError(f"no account {name!r}")
            connection.execute(session.delete().where(session.c.name == name))

    def listed(self) -> list[dict[str, Any]]:
        """Every account's name, roles and the labels of its tokens, by name."""
        with self._open() as connection:
            names = list(connection.execute(select(account.c.name).order_by(account.c.name)).scalars())
            return [
                {
                    "name": n,
                    "roles": sorted(_roles(connection, n)),
                    "tokens": [t["label"] for t in _tokens(connection, n)],
                }
                for n in names
            ]

    def log_in(self, name: str, password: str, hours: float) -> Session | None:
        """A new session, or None if name and password are not those of an account. Both answers take the same time."""
        with self._open() as connection:
            kept = connection.execute(select(account.c.password).where(account.c.name == name)).scalar()
        if not _fits(kept, password):
            return None
        key, expires = secrets.token_urlsafe(32), time.time() + hours * 3600
        with self._open() as connection:
            connection.execute(session.delete().where(session.c.expires < time.time()))
            connection.execute(session.insert().values(digest=_digest(key), name=name, expires=expires))
            return Session(key, _actor(connection, name), expires)

    def log_out(self, key: str) -> None:
        """End a session."""
        with self._open() as connection:
            connection.execute(session.delete().where(session.c.digest == _digest(key)))

    def by_session(self, key: str) -> Actor | None:
        """Whose session this is, None if it has ended or never was."""
        with self._open() as connection:
            alive = (session.c.digest == _digest(key)) & (session.c.expires > time.time())
            name = connection.execute(select(session.c.name).where(alive)).scalar()
            return None if name is None else _actor(connection, name)

    def new_token(self, name: str, label: str) -> str:
        """Make an API token for an account; it is shown this once.

        Raises
        ------
        InputError
            If there is no such account.
        """
        made = TOKEN_PREFIX + secrets.token_urlsafe(32)
        values = {
            "digest": _digest(made),
            "name": name,
            "label": label.strip()[:100] or "token",
            "created": time.time(),
        }
        try:
            with self._open() as connection:
                connection.execute(token.insert().values(**values))
        except IntegrityError as error:
            raise InputError(f"no account {name!r}") from error
        return made

    def by_token(self, text: str) -> Actor | None:
        """Whose token this is, None for nobody's."""
        with self._open() as connection:
            name = connection.execute(select(token.c.name).where(token.c.digest == _digest(text))).scalar()
            return None if name is None else _actor(connection, name)

    def tokens(self, name: str) -> list[dict[str, Any]]:
        """An account's tokens, oldest first: id, label, created."""
        with self._open() as connection:
            return _tokens(connection, name)

    def drop_token(self, name: str, number: int) -> None:
        """Make one of an account's tokens worthless."""
        with self._open() as connection:
            connection.execute(token.delete().where(token.c.id == number, token.c.name == name))


def _prepare(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _good(name: str, password: str, roles: set[Role]) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for an account; use letters, digits and . _ @ -")
    if not roles:
        raise InputError(f"which role? one or more of {', '.join(Role)}")
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise InputError(f"a password has {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters")


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


def _fits(kept: str | None, password: str) -> bool:
    """Whether a password is the one of a hash; without a hash as much is computed for nothing."""
    from argon2.exceptions import VerificationError

    if kept is None or len(password) > _LONGEST_PASSWORD:
        _hasher().hash(password[:_LONGEST_PASSWORD])
        return False
    try:
        return _hasher().verify(kept, password)
    except VerificationError:
        return False


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _roles(connection: Connection, name: str) -> list[str]:
    return list(connection.execute(select(account_role.c.role).where(account_role.c.name == name)).scalars())


def _actor(connection: Connection, name: str) -> Actor:
    return Actor(name, frozenset(map(Role, _roles(connection, name))))


def _tokens(connection: Connection, name: str) -> list[dict[str, Any]]:
    statement = select(token.c.id, token.c.label, token.c.created).where(token.c.name == name).order_by(token.c.id)
    return [dict(row) for row in connection.execute(statement).mappings()]
