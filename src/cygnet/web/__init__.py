"""The web room: one local app over archive, challenges and clinic. Needs the extra ``[web]``."""

from __future__ import annotations

from cygnet.archive.extras import needs

with needs("fastapi", "uvicorn", "starlette", extra="web"):
    from cygnet.web.app import create_app
    from cygnet.web.settings import Settings

__all__ = ["Settings", "create_app"]
