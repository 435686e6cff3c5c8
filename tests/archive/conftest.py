"""Fixtures of the archive's tests; the helpers beside them are in ``conftest_archive``."""

from conftest_archive import archive, db, empty_catalogue, local, postgres

__all__ = ["archive", "db", "empty_catalogue", "local", "postgres"]
