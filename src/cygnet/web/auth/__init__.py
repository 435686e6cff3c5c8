"""Who makes a request and what for it needs: every route says so with :func:`needs` or :data:`needs_nothing`."""

from __future__ import annotations

from cygnet.accounts import Actor, Role
from cygnet.web.auth.needs import needs, needs_nothing
from cygnet.web.auth.who import actor, csrf_token

__all__ = ["Actor", "Role", "actor", "csrf_token", "needs", "needs_nothing"]
