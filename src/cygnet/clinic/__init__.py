"""The clinic: patients, visits and lesions, verdicts before anything is revealed, and what becomes of them.

Knows neither HTTP nor templates. Needs the extra ``[archive]``.
"""

from cygnet.archive.extras import needs

with needs("sqlalchemy", "alembic", "fsspec", extra="web"):
    from cygnet.clinic.store import Clinic

__all__ = ["Clinic"]
