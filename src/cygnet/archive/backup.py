"""The whole archive in one zip file, and back, also onto another kind of database or blob store.

The zip holds ``backup.json``, a file of JSON lines for each table, and every blob that the catalogue uses. The catalogue is read in one
transaction, so that a backup shows one moment while others write.
"""

from __future__ import annotations

import base64
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Table, func, select, text

from cygnet.archive import log
from cygnet.archive.blobs import Blobs, checked, sha256_of
from cygnet.archive.chunks import chunks
from cygnet.archive.exports.snapshots import files_of_snapshots
from cygnet.archive.tables import head, image, metadata, setting
from cygnet.errors import InputError, OutputError
from cygnet.version import VERSION

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive

_FORMAT: Final = "cygnet-backup-1"
_ROWS: Final = 1000
#: Tables that backups of earlier versions lack; ingest fills them again.
_LATER: Final = ("hash_block", "sketch")
#: What belongs to the place, not to the archive.
_PLACES: Final = ("blobs",)
Advance = Callable[[int], None]


def backup(archive: Archive, path: Path, advance: Advance = lambda _: None) -> dict[str, Any]:
    """Write everything to a zip file, whole or not at all; returns what it holds.

    Raises
    ------
    OutputError
        If a blob is missing or damaged, or the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with (
            archive.database.read() as connection,
            zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED, allowZip64=True) as target,
        ):
            summary: dict[str, Any] = {"format": _FORMAT, "cygnet": VERSION, "created": log.now()}
            summary["log_head"] = log.head_hash(connection)
            summary["rows"] = {t.name: _dump(connection, t, target) for t in metadata.sorted_tables}
            summary["blobs"] = _dump_blobs(connection, archive.blobs, target, advance)
            target.writestr("backup.json", json.dumps(summary, indent=1))
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    finally:
        beside.unlink(missing_ok=True)
    return summary


def _member(table: Table) -> str:
    return f"tables/{table.name}.jsonl"


def _dump(connection: Connection, table: Table, target: zipfile.ZipFile) -> int:
    n = 0
    info = zipfile.ZipInfo(_member(table))
    info.compress_type = zipfile.ZIP_DEFLATED
    with target.open(info, "w", force_zip64=True) as stream:
        for row in _rows(connection, table):
            stream.write((log.canonical({k: _packed(v) for k, v in row.items()}) + "\n").encode())
            n += 1
    return n


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    result = connection.execution_options(yield_per=_ROWS).execute(select(table).order_by(*table.primary_key))
    for row in result.mappings():
        if table is not setting or row["name"] not in _PLACES:
            yield dict(row)


def _packed(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _unpacked(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _dump_blobs(connection: Connection, blobs: Blobs, target: zipfile.ZipFile, advance: Advance) -> int:
    done: set[str] = set()
    columns = (image.c.original_sha256, image.c.view_sha256, image.c.thumbnail_sha256)
    for n, names in enumerate(connection.execute(select(*columns).order_by(image.c.id)), start=1):
        for name in names:
            _dump_blob(blobs, name, target, done)
        advance(n)
    for name in sorted(files_of_snapshots(connection, blobs)):
        _dump_blob(blobs, name, target, done)
    return len(done)


def _dump_blob(blobs: Blobs, name: str, target: zipfile.ZipFile, done: set[str]) -> None:
    if name not in done:
        target.writestr(zipfile.ZipInfo(f"blobs/{name}"), checked(blobs, name))
        done.add(name)


def files_in(path: Path) -> int:
    """How many files of images a backup holds.

    Raises
    ------
    InputError
        If there is no such file, or it is no zip file.
    """
    try:
        with zipfile.ZipFile(path) as source:
            return sum(name.startswith("blobs/") for name in source.namelist())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: no backup, or damaged ({error})") from error


def restore(path: Path, archive: Archive, advance: Advance = lambda _: None) -> dict[str, Any]:
    """Fill an empty archive from a backup: first the blobs, each checked, then every table in one transaction.

    Raises
    ------
    InputError
        If the file is no backup, is damaged, or the archive is not empty.
    """
    if len(archive):
        raise InputError("this archive holds images already; restore into a new folder")
    try:
        with zipfile.ZipFile(path) as source:
            summary: dict[str, Any] = json.loads(source.read("backup.json"))
            if summary.get("format") != _FORMAT:
                raise InputError(f"{path}: a backup of another version of Cygnet")
            _load_blobs(source, archive.blobs, path, advance)
            with archive.database.write() as connection:
                held = set(source.namelist())
                for table in metadata.sorted_tables:
                    if table.name not in _LATER or _member(table) in held:
                        _load(connection, table, source)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no backup, or damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return summary


def _load_blobs(source: zipfile.ZipFile, blobs: Blobs, path: Path, advance: Advance) -> None:
    names = [name for name in source.namelist() if name.startswith("blobs/")]
    for n, name in enumerate(names, start=1):
        data = source.read(name)
        if sha256_of(data) != name.removeprefix("blobs/"):
            raise InputError(f"{path}: {name} is damaged; use another backup")
        blobs.put(data)
        advance(n)


def _load(connection: Connection, table: Table, source: zipfile.ZipFile) -> None:
    if table in (head, setting):
        kept = setting.c.name.in_(_PLACES)
        connection.execute(head.delete() if table is head else setting.delete().where(~kept))
    with source.open(_member(table)) as stream:
        for lines in chunks(stream, _ROWS):
            rows = [{k: _unpacked(v) for k, v in json.loads(line).items()} for line in lines]
            connection.execute(table.insert(), rows)
    if connection.dialect.name == "postgresql" and "id" in table.c and table is not head:
        most = connection.execute(select(func.max(table.c.id))).scalar()
        if most:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:t, 'id'), :m)"), {"t": table.name, "m": most}
            )
