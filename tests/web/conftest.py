"""Fixtures of the web's tests; the helpers beside them are in ``conftest_web``."""

from conftest_clinic import clinic_dir, clinic_made
from conftest_web import archive_dir, asking_takes_time, browser_page, chromium, drawn, filled, new_page, program, serve

__all__ = [
    "archive_dir",
    "asking_takes_time",
    "browser_page",
    "chromium",
    "clinic_dir",
    "clinic_made",
    "drawn",
    "filled",
    "new_page",
    "program",
    "serve",
]
