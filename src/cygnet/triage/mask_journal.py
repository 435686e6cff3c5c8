"""What a run of ``cygnet segment`` has done so far, a line an image, so that an interrupted run loses nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from cygnet.errors import InputError, OutputError
from cygnet.schema import ImageRecord
from cygnet.triage.mask_files import Outlined

NAME: Final = ".cygnet-segment.jsonl"


class SegmentJournal:
    """The journal of one run in ``folder``, whose inputs and model ``mark`` stands for.

    Raises
    ------
    InputError
        When the folder holds the journal of another run and ``resume`` is asked for, or any journal and it is not.
    """

    def __init__(self, folder: Path, mark: str, records: Sequence[ImageRecord], *, resume: bool) -> None:
        self.path = folder / NAME
        self._folder, self._records = folder, records
        self._done: dict[int, tuple[list[int], Outlined]] = {}
        if self.path.exists():
            if not resume:
                raise InputError(
                    f"{folder}: an interrupted run is kept here; add --resume to go on with it, or delete {NAME}"
                )
            self._read(mark)
        try:
            self._file = self.path.open("a", encoding="utf-8", errors="surrogateescape")
            # A line that was cut short is ended, so that it spoils no other.
            self._file.write("\n" if self._file.tell() else json.dumps({"run": mark}) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror}); choose another --out") from error

    @property
    def found(self) -> int:
        """How many images an earlier run has done."""
        return len(self._done)

    def known(self, position: int) -> Outlined | None:
        """The earlier result for an image, if neither it nor its mask has changed since."""
        stamp, earlier = self._done.get(position, ([], None))
        if earlier is None or stamp != _stamp(self._records[position].path):
            return None
        return earlier if (self._folder / earlier.mask).is_file() else None

    def add(self, position: int, made: Outlined) -> None:
        """Keep one result. Images without mask are not kept: they may be mended before the run goes on."""
        if made.mask:
            line = {"position": position, "stamp": _stamp(self._records[position].path), "made": asdict(made)}
            try:
                self._file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise OutputError(
                    f"{self.path}: cannot be written ({error.strerror}); free some space and use --resume"
                ) from error

    def close(self) -> None:
        """Keep what has been done."""
        self._file.close()

    def discard(self) -> None:
        """Remove the journal; the run is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _read(self, mark: str) -> None:
        lines = self.path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        if not lines or _load(lines[0]).get("run") != mark:
            raise InputError(
                f"{self._folder}: the interrupted run kept here had other images, options, another model or version; "
                f"delete {NAME} to start over"
            )
        for entry in map(_load, lines[1:]):
            if entry:
                made = Outlined(**{**entry["made"], "flags": tuple(entry["made"]["flags"])})
                self._done[entry["position"]] = entry["stamp"], made


def _load(line: str) -> dict[str, Any]:
    """A line's content; nothing for one that was cut short."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return []
    return [stat.st_size, stat.st_mtime_ns]
