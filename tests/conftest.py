"""One simulated patient for the whole session, and the command line run inside this process."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import settings

import cygnet
from cygnet.cli import main
from cygnet.models import LesionModel
from cygnet.simulate import write_patients

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# No test asserts a time; and what CI finds, anyone finds again.
settings.register_profile("cygnet", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("cygnet")


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it again at every collection only takes time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Challenges draw the same public patients in every run of a test, so that none passes or fails by chance."""
    salts = itertools.count()
    monkeypatch.setattr("cygnet.challenge.split.new_salt", lambda: f"{next(salts):032x}")


class Answer(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated patient of 9 lesions with manifest.csv. Read only: copy before changing anything."""
    place = tmp_path_factory.mktemp("simulated") / "set"
    return write_patients(place, n_patients=1, seed=3, n_lesions=9, size=(240, 180))


@pytest.fixture
def photos(simulated: Path, tmp_path: Path) -> Path:
    """The nine images in a folder of their own, without a table; a test may change it."""
    return shutil.copytree(simulated / "images", tmp_path / "anna")


@pytest.fixture(scope="session")
def model() -> LesionModel:
    return LesionModel()


@pytest.fixture(scope="session")
def ranked(simulated: Path, model: LesionModel) -> cygnet.Assessment:
    """The simulated patient, assessed."""
    return cygnet.rank(simulated, model=model)[0]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run ``cygnet ARGS`` in this process."""

    def run(*args: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["cygnet", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        code = left.value.code
        return Answer(0 if code is None else int(code), out, err)

    return run
