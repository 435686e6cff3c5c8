"""A pulled folder against its own manifest."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cygnet.archive.chunks import chunks
from cygnet.interop.place import IMAGES, read_manifest
from cygnet.interop.pulled import Problem
from cygnet.schema.files import file_sha256

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a pull's files. ``strangers`` are images in the folder that the manifest does not know; they are no problem."""

    files: int
    bytes: int
    problems: tuple[Problem, ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether every file is there and as it came, and the pull was complete."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        problems = [asdict(problem) for problem in self.problems]
        return {
            "sound": self.sound,
            "files": self.files,
            "bytes": self.bytes,
            "problems": problems,
            "strangers": list(self.strangers),
        }


def verify(
    folder: str | os.PathLike[str], *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Hash every file of a pull again. ``on_progress`` hears how many of how many are done.

    Raises
    ------
    InputError
        If the folder holds no pull.
    """
    root = Path(folder)
    manifest = read_manifest(root)
    files = manifest["files"]
    problems = [] if manifest.get("complete") is True else [_incomplete(manifest)]
    done = 0
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1)) as pool:
        for some in chunks(files, _AT_ONCE):
            problems += [found for found in pool.map(lambda file: _check(root, file), some) if found is not None]
            done += len(some)
            on_progress(done, len(files))
    known = {file["path"] for file in files}
    strangers = sorted(name for path in (root / IMAGES).glob("*") if (name := f"{IMAGES}/{path.name}") not in known)
    return Verified(len(files), sum(f["size"] for f in files), tuple(problems), tuple(strangers))


def _incomplete(manifest: dict[str, Any]) -> Problem:
    count = manifest.get("count", {})
    words = f"the pull was not complete: {count.get('received')} of {count.get('server')} images; pull again to go on"
    return Problem("", "pending", words)


def _check(root: Path, file: dict[str, Any]) -> Problem | None:
    name = file["path"]
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        return Problem("", "id", f"{name!r} leads out of the folder; this manifest is not to be trusted")
    path = root / pure
    try:
        if not path.is_file():
            return Problem(name, "missing", "is not there; pull again")
        if path.stat().st_size != file["size"]:
            return Problem(
                name, "size", f"has {path.stat().st_size:,} bytes and came with {file['size']:,}; pull again"
            )
        if file_sha256(path) != file["sha256"]:
            return Problem(name, "hash", "is changed or damaged; pull again")
    except OSError as error:
        return Problem(name, "unreadable", f"cannot be read ({error.strerror})")
    return None
