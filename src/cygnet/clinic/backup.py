"""The whole clinic in one zip file, and back. Database and pictures show one moment, while others go on working."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from cygnet.archive import log
from cygnet.archive.blobs import FolderBlobs, checked, sha256_of
from cygnet.clinic.store import FILE, PICTURES, Clinic
from cygnet.clinic.tables import image, patient
from cygnet.errors import InputError, OutputError
from cygnet.version import VERSION

_FORMAT: Final = "cygnet-clinic-1"
_DATABASE: Final = "clinic.sqlite"


def backup(clinic: Clinic, who: str, path: Path) -> dict[str, Any]:
    """Write everything to a zip file, whole or not at all; returns what it holds.

    Raises
    ------
    OutputError
        If a picture is missing or damaged, or the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    with clinic.write() as connection:
        log.append(connection, who, "backup", {"to": path.name})
    try:
        with tempfile.TemporaryDirectory(dir=path.parent or None) as scratch:
            copy = Path(scratch) / _DATABASE
            with closing(sqlite3.connect(clinic.path)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            summary = _write(clinic, copy, beside)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    finally:
        beside.unlink(missing_ok=True)
    return summary


def _write(clinic: Clinic, copy: Path, beside: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(copy)) as rows:
        names = {n for row in rows.execute("SELECT sha256, thumbnail FROM image") for n in row if n}
        patients = rows.execute("SELECT count(*) FROM patient").fetchone()[0]
        head = rows.execute("SELECT hash FROM head").fetchone()[0]
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED, allowZip64=True) as target:
        target.write(copy, _DATABASE, zipfile.ZIP_DEFLATED)
        for name in sorted(names):
            target.writestr(zipfile.ZipInfo(f"{PICTURES}/{name}"), checked(clinic.pictures, name))
        summary: dict[str, Any] = {"format": _FORMAT, "cygnet": VERSION, "created": log.now(), "log_head": head}
        summary |= {"patients": patients, "pictures": len(names), "database_sha256": sha256_of(copy.read_bytes())}
        target.writestr("backup.json", json.dumps(summary, indent=1))
    with beside.open("rb+") as stream:
        os.fsync(stream.fileno())
    return summary


def restore(path: Path, folder: Path) -> dict[str, Any]:
    """Put a backup into a folder that has no clinic yet, every picture checked; returns what it holds.

    Raises
    ------
    InputError
        If the file is no backup or is damaged, or the folder has a clinic.
    """
    if (folder / FILE).exists() and not _is_empty(folder):
        raise InputError(f"{folder / FILE}: holds patients already; restore into a new folder")
    beside = folder / f".{FILE}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path) as source:
            summary: dict[str, Any] = json.loads(source.read("backup.json"))
            if summary.get("format") != _FORMAT:
                raise InputError(f"{path}: no backup of a clinic by this version of Cygnet")
            _pictures(source, path, folder)
            database = source.read(_DATABASE)
        if sha256_of(database) != summary["database_sha256"]:
            raise InputError(f"{path}: its database is damaged; use another backup")
        beside.write_bytes(database)
        for name in ("-wal", "-shm"):
            (folder / f"{FILE}{name}").unlink(missing_ok=True)
        os.replace(beside, folder / FILE)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no backup, or damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read or put in place ({error.strerror})") from error
    finally:
        beside.unlink(missing_ok=True)
    with Clinic(folder) as made, made.read() as connection:
        for name in connection.execute(select(image.c.sha256)).scalars():
            if not made.pictures.has(name):
                raise InputError(f"{path}: picture {name} is missing; use another backup")
    return summary


def _is_empty(folder: Path) -> bool:
    with Clinic(folder) as there, there.read() as connection:
        return connection.execute(select(patient.c.id).limit(1)).first() is None


def _pictures(source: zipfile.ZipFile, path: Path, folder: Path) -> None:
    kept = FolderBlobs(folder / PICTURES)
    for name in source.namelist():
        if name.startswith(f"{PICTURES}/"):
            data = source.read(name)
            if sha256_of(data) != name.rpartition("/")[2]:
                raise InputError(f"{path}: {name} is damaged; use another backup")
            kept.put(data)
