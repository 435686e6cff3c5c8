"""How a challenge is hosted: the settings beside its task, from a TOML file."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from cygnet.challenge.tasks import HEADLINES, Task, made
from cygnet.errors import InputError

_KEYS: Final = {
    *("name", "title", "year", "kind", "classes", "headline", "identifier", "url", "citation", "task"),
    *(
        "truth",
        "metadata",
        "split",
        "public_share",
        "opens",
        "closes",
        "per_day",
        "total",
        "rules",
        "data",
        "replicates",
    ),
}


@dataclass(frozen=True, slots=True)
class Hosting:
    """``public_share`` of the patients (or lesions, or images) whose score is shown at once; ``split`` "hash", or "weights"
    to take the truth's own validation_weight as public; ``per_day`` and ``total`` how many scored runs a team has, 0 for no
    limit; ``closes`` an ISO date (its end, UTC), "" for none; ``replicates`` of the bootstrap."""

    split: str = "hash"
    public_share: float = 0.3
    per_day: int = 5
    total: int = 0
    closes: str = ""
    rules: str = ""
    data: str = ""
    replicates: int = 2000

    def closed(self, now: datetime.datetime) -> bool:
        """Whether the last day is over."""
        return bool(self.closes) and now.date() > datetime.date.fromisoformat(self.closes)

    def as_json(self) -> dict[str, Any]:
        """The settings as they are kept."""
        return asdict(self)


def read(name: str, table: Mapping[str, Any]) -> tuple[Task, Hosting]:
    """Task and settings from a challenge's TOML table.

    Raises
    ------
    InputError
        Naming the key that is wrong and what it may be.
    """
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise InputError(f"{name}: unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    task = made(name, table)
    if task.name == "new":
        raise InputError("a challenge cannot be called new; that is the address of the form for one")
    found = Hosting(
        split=str(table.get("split", "hash")),
        public_share=_number(name, table, "public_share", 0.3),
        per_day=int(_number(name, table, "per_day", 5)),
        total=int(_number(name, table, "total", 0)),
        closes=_day(name, table.get("closes", "")),
        rules=str(table.get("rules", "")),
        data=str(table.get("data", "")),
        replicates=int(_number(name, table, "replicates", 2000)),
    )
    if found.split not in ("hash", "weights"):
        raise InputError(f"{name}: split = {found.split!r}; choose hash or weights")
    if not 0 < found.public_share <= 1:
        raise InputError(f"{name}: public_share = {found.public_share}; give a share above 0, at most 1")
    if found.per_day < 0 or found.total < 0 or not 100 <= found.replicates <= 20_000:
        raise InputError(f"{name}: per_day and total are 0 or more, replicates from 100 to 20,000")
    assert task.headline in HEADLINES[task.kind]
    return task, found


def _number(name: str, table: Mapping[str, Any], key: str, usual: float) -> float:
    value = table.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}: {key} = {value!r}; write a number")
    return float(value)


def _day(name: str, value: object) -> str:
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()[:10]
    try:
        return datetime.date.fromisoformat(str(value)).isoformat() if value else ""
    except ValueError as error:
        raise InputError(f"{name}: closes = {value!r}; write a date such as 2027-03-31") from error
