"""Fixtures of the tests of pulling; the server is in ``conftest_pull``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest_pull import QUICK, Far, serving

from cygnet.interop import Pulled, pull


@pytest.fixture
def far() -> Iterator[Far]:
    """An archive of six images, four a page."""
    with serving(Far()) as started:
        yield started


@pytest.fixture
def fetch(far: Far, tmp_path: Path) -> Callable[..., Pulled]:
    """Pull from it into a folder, without waiting long for anything."""

    def run(query: str = "", **options: Any) -> Pulled:
        return pull(query, **{"out": tmp_path / "out", "source": far.url, "patience": QUICK, "jobs": 3, **options})

    return run
