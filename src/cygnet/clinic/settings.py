"""The clinic's settings: what is shown when, and what numbers are stated at. Every change is in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.clinic.store import Clinic
from cygnet.clinic.tables import setting
from cygnet.errors import InputError
from cygnet.triage import Options

POLICIES: Final = ("lesion", "patient", "open")


@dataclass(frozen=True, slots=True)
class Settings:
    """How this clinic works.

    ``reveal`` says when a reader is sent rank, family and reasons: "lesion", those of a lesion once the reader's own verdict on it is
    stored; "patient", once there is a verdict on every assessable lesion; "open", at once. ``prevalence`` of melanoma in (0, 1) and
    ``guard`` in [0, 1] as in :class:`cygnet.triage.Options`, for assessments from now on. ``retention_days`` after a patient's last
    visit the patient is due for erasure; 0 keeps without limit.
    """

    reveal: str = "lesion"
    prevalence: float = 0.02
    guard: float = 0.05
    retention_days: int = 0

    def __post_init__(self) -> None:
        if self.reveal not in POLICIES:
            raise InputError(f"reveal {self.reveal!r} is not one of {', '.join(POLICIES)}")
        if self.retention_days < 0:
            raise InputError(f"retention_days is {self.retention_days}; give 0 or more")
        self.options()

    def options(self) -> Options:
        """What an assessment takes from here."""
        return Options(self.prevalence, self.guard)


def read_settings(connection: Connection) -> Settings:
    """The settings as they are; defaults for what nobody has set."""
    stored = {row.name: row.value for row in connection.execute(select(setting))}
    return _changed(Settings(), stored)


def change_settings(clinic: Clinic, who: str, given: Mapping[str, str]) -> Settings:
    """Set what is ``given`` by name; returns all settings.

    Raises
    ------
    InputError
        Naming the setting that cannot have its value; nothing is changed then.
    """
    with clinic.write() as connection:
        before = read_settings(connection)
        after = _changed(before, given)
        moved = {k: [v, asdict(after)[k]] for k, v in asdict(before).items() if asdict(after)[k] != v}
        for name, (_, value) in moved.items():
            connection.execute(setting.delete().where(setting.c.name == name))
            connection.execute(setting.insert().values(name=name, value=str(value)))
        if moved:
            log.append(connection, who, "settings", moved)
    return after


def _changed(settings: Settings, given: Mapping[str, str]) -> Settings:
    values: dict[str, str | float | int] = {}
    kinds = {f.name: type(getattr(settings, f.name)) for f in fields(settings)}
    for name, text in given.items():
        if name in kinds:
            try:
                values[name] = kinds[name](text)
            except ValueError as error:
                raise InputError(f"{name}: {text!r} is not a number") from error
    return replace(settings, **values)  # type: ignore[arg-type]
