"""The archive: a catalogue in SQL, blobs by content hash, and everything that goes in and out of them.

Needs the extra ``[archive]``; nothing else in Cygnet does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cygnet.archive.extras import needs

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive

__all__ = ["Archive"]


def __getattr__(name: str) -> Any:
    """The archive is loaded when first used: licences, fields and layouts do without its database."""
    if name == "Archive":
        with needs("sqlalchemy", "alembic", "fsspec"):
            from cygnet.archive.archive import Archive

        return Archive
    raise AttributeError(f"module 'cygnet.archive' has no attribute {name!r}")
