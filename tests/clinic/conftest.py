"""A clinic with one assessed simulated patient of two visits, made once; each test gets a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cygnet.clinic import assess, demo
from cygnet.clinic.store import Clinic
from cygnet.models import LesionModel


@pytest.fixture(scope="session")
def clinic_folder(tmp_path_factory: pytest.TempPathFactory, model: LesionModel) -> Path:
    folder = tmp_path_factory.mktemp("clinic") / "site"
    with Clinic(folder) as made:
        demo.fill(made, "dr-a", (demo.Spec(3, 12, "II", "2026-03-12", size=(240, 180)),))
        for number in assess.waiting(made):
            assess.run(made, number, model)
    return folder


@pytest.fixture
def clinic(clinic_folder: Path, tmp_path: Path) -> Iterator[Clinic]:
    with Clinic(Path(shutil.copytree(clinic_folder, tmp_path / "site"))) as made:
        yield made
