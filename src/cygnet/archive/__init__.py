"""The archive: a catalogue in SQL, blobs by content hash, and everything that goes in and out of them.

Needs the extra ``[archive]``; nothing else in Cygnet does.
"""

from __future__ import annotations

from cygnet.archive.extras import needs

with needs("sqlalchemy", "alembic", "fsspec"):
    from cygnet.archive.archive import Archive

__all__ = ["Archive"]
