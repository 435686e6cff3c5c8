"""An archive folder whose clinic has an assessed simulated patient of two visits, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cygnet.archive import Archive
from cygnet.clinic import Clinic, assess, demo
from cygnet.models import LesionModel


@pytest.fixture(scope="session")
def clinic_made(tmp_path_factory: pytest.TempPathFactory, model: LesionModel) -> Path:
    folder = tmp_path_factory.mktemp("clinic") / "archive"
    Archive.init(folder).close()
    with Clinic(folder / "site") as clinic:
        demo.fill(clinic, "demo", (demo.Spec(3, 13, "II", "2026-03-12", size=(240, 180)),))
        for number in assess.waiting(clinic):
            assess.run(clinic, number, model)
    return folder


@pytest.fixture
def clinic_dir(clinic_made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change. Patient 1 at visit 2 has 13 lesions, 12 of them assessable."""
    return shutil.copytree(clinic_made, tmp_path / "clinic-archive")


#: Clients of the test that is running.
OPEN: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def readers_leave() -> Iterator[None]:
    """Close every reader's connections at the end of a test."""
    yield
    while OPEN:
        OPEN.pop().close()


class Reader:
    """Someone at a browser without scripts: cookies, forms with their token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=120)
        OPEN.append(self.http)

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.http.get(path, **options)  # type: ignore[arg-type]

    def post(self, path: str, data: dict[str, object], **headers: str) -> httpx.Response:
        token = self.http.get("/help").text.partition('name="csrf" content="')[2].partition('"')[0]
        return self.http.post(path, data={"csrf": token, **data}, headers=headers)

    def commit(
        self, lesion: int, choice: str = "benign", visit: int = 2, version: int = 0, **more: object
    ) -> httpx.Response:
        values = {"visit": visit, "version": version, "key": f"{lesion}-{choice}-{version}", "choice": choice, **more}
        return self.post(f"/lesions/{lesion}/verdicts", values, Accept="application/json")

    def commit_all(self, visit: int = 2) -> None:
        assert (
            self.post("/patients/1/rest", {"visit": visit, "key": f"all-{visit}", "choice": "benign"}).status_code
            == 303
        )
