"""Who may do what: accounts with roles, API tokens and sessions, in a SQLite file of their own. Knows nothing of HTTP."""

from __future__ import annotations

from cygnet.accounts.roles import ANONYMOUS, LOCAL, Actor, Role
from cygnet.accounts.store import Accounts, Session

__all__ = ["ANONYMOUS", "LOCAL", "Accounts", "Actor", "Role", "Session"]
