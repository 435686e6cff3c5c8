"""Roles, and the one who acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What an account may do."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    REVIEWER = "reviewer"
    CURATOR = "curator"
    CLINICIAN = "clinician"
    ORGANISER = "organiser"


#: What a role brings with it besides itself: whoever adds, reads or keeps images may see them.
_IMPLIED: Final[dict[Role, frozenset[Role]]] = {
    Role.CONTRIBUTOR: frozenset({Role.VIEWER}),
    Role.REVIEWER: frozenset({Role.VIEWER}),
    Role.CURATOR: frozenset({Role.VIEWER, Role.CONTRIBUTOR, Role.REVIEWER}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever makes a request. ``local`` is the one person at this machine, who has every role; no name is nobody."""

    name: str
    roles: frozenset[Role] = frozenset()
    local: bool = False

    @property
    def known(self) -> bool:
        """Whether this is somebody."""
        return bool(self.name)

    def may(self, *roles: Role) -> bool:
        """Whether the actor has any of these roles, itself or implied by another."""
        return any(role in self.all_roles for role in roles)

    @property
    def all_roles(self) -> frozenset[Role]:
        """The actor's roles with those that they bring along."""
        return self.roles.union(*(_IMPLIED.get(role, frozenset()) for role in self.roles))


#: Nobody: sees what is public.
ANONYMOUS: Final = Actor("")
#: The one person at this machine.
LOCAL: Final = Actor("local", frozenset(Role), local=True)
