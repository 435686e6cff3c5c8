"""An export checked against its own manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cygnet.archive.exports.targets import MANIFEST
from cygnet.errors import InputError
from cygnet.schema.files import file_sha256

_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(slots=True)
class ExportVerdict:
    """What became of an export's files."""

    files: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every file is as it was exported."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"clean": self.clean, "files": self.files, "problems": self.problems}


def is_export(place: str) -> bool:
    """Whether a folder is an export rather than an archive."""
    return (Path(place) / MANIFEST).is_file()


def verify_export(folder: Path) -> ExportVerdict:
    """Every file that the manifest names, against its hash; nothing outside the folder is looked at.

    Raises
    ------
    InputError
        If the manifest cannot be read.
    """
    verdict = ExportVerdict()
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / MANIFEST}: cannot be read ({error}); export again") from error
    for line in lines:
        found = _LINE.fullmatch(line)
        name = found[2] if found else ""
        path = folder / name
        if found is None or ".." in Path(name).parts or Path(name).is_absolute():
            raise InputError(f"{folder / MANIFEST}: line {verdict.files + 1} is damaged; export again")
        verdict.files += 1
        if not path.is_file():
            verdict.problems.append(f"{name}: missing")
        elif file_sha256(path) != found[1]:
            verdict.problems.append(f"{name}: changed or damaged")
    return verdict
