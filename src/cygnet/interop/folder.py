"""What a pull leaves beside the images: metadata.csv, attribution.txt, licenses/ and manifest.json."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cygnet.archive.exports.texts import COLUMNS, attribution_text, csv_line
from cygnet.archive.licences import licence_text
from cygnet.errors import InputError
from cygnet.interop.asked import Asked
from cygnet.interop.journal import Journal
from cygnet.interop.place import MANIFEST, SCHEMA
from cygnet.interop.pulled import Problem
from cygnet.interop.transport import FetchError, Transport
from cygnet.schema.files import file_sha256, replacing
from cygnet.version import VERSION

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")


@dataclass(frozen=True, slots=True)
class Texts:
    """What was written beside the images, by path in the folder, and what could not be."""

    files: tuple[str, ...]
    problems: tuple[Problem, ...]


def write_texts(journal: Journal, out: Path, transport: Transport, *, online: bool) -> Texts:
    """Metadata, credits and licences of the images that are here; rows are streamed from the journal.

    ``online`` asks the archive for the licences' texts; otherwise, and where it has none, the known ones are Cygnet's summaries.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    names, credits, codes = _survey(journal)
    with replacing(out / "metadata.csv") as part, part.open("w", encoding="utf-8", newline="") as stream:
        stream.write(csv_line(names))
        for got in journal.got():
            row = got.record.row()
            stream.write(csv_line(row.get(name) for name in names))
    _write(out / "attribution.txt", attribution_text(credits))
    files, problems = ["metadata.csv", "attribution.txt"], []
    for code in sorted(codes):
        text = _licence(code, transport, online=online)
        if text is None:
            problems.append(
                Problem("", "licence", f"no text of the licence {code!r}, which {codes[code]:,} images state")
            )
            continue
        files.append(f"licenses/{code}.txt")
        _write(out / files[-1], text)
    return Texts(tuple(files), tuple(problems))


def _survey(journal: Journal) -> tuple[list[str], Counter[str], Counter[str]]:
    """Columns in the official order, unknown ones behind; credits and licences with their numbers of images."""
    used, credits, codes = dict.fromkeys(COLUMNS[:3]), Counter[str](), Counter[str]()
    for got in journal.got():
        used.update(dict.fromkeys(got.record.values))
        credits.update([got.record.attribution] if got.record.attribution else [])
        codes.update([got.record.licence] if got.record.licence else [])
    known = [name for name in COLUMNS if name in used]
    return [*known, *sorted(used.keys() - set(known))], credits, codes


def _licence(code: str, transport: Transport, *, online: bool) -> str | None:
    if not _CODE.fullmatch(code):
        return None
    if online:
        try:
            return transport.text(transport.site.url("zip-download", "license-file", code))
        except FetchError:
            pass
    try:
        return licence_text(code)
    except InputError:
        return None


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_manifest(
    journal: Journal, out: Path, asked: Asked, texts: Iterable[str], counts: dict[str, Any], problems: list[Problem]
) -> None:
    """The manifest: where everything came from, every file with hash and size, and everything that is missing or wrong.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    head = {
        "schema": SCHEMA,
        "cygnet": VERSION,
        **asked.key(),
        "dataset": asked.dataset,
        "collection_names": [{"id": c.id, "name": c.name, "doi": c.doi} for c in asked.collections],
        "started": journal.fact("started"),
        "finished": now(),
        "complete": not problems,
        "count": counts,
        "problems": [asdict(problem) for problem in problems],
    }
    with replacing(out / MANIFEST) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(head, indent=1, ensure_ascii=False)[:-2])
        stream.write(',\n "files": [')
        for n, line in enumerate(_files(journal, out, texts)):
            stream.write(f"{',' if n else ''}\n  {json.dumps(line, ensure_ascii=False)}")
        stream.write("\n ]\n}\n")


def _files(journal: Journal, out: Path, texts: Iterable[str]) -> Iterator[dict[str, str | int]]:
    for name in texts:
        yield {"path": name, "sha256": file_sha256(out / name), "size": (out / name).stat().st_size}
    for got in journal.got():
        yield {"path": got.record.file, "sha256": got.sha256, "size": got.size}


def now() -> str:
    """This moment, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
