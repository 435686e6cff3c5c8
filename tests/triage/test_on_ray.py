"""``--engine ray`` on a Ray of this machine with two workers, of which one is killed while the run cannot be finished."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cygnet.errors import MissingExtraError
from cygnet.models import LesionModel
from cygnet.simulate import write_patients
from cygnet.triage import collect, features, on_ray

if TYPE_CHECKING:
    from conftest import Answer

IMAGES = 80


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_patients(tmp_path_factory.mktemp("ray"), n_patients=4, n_lesions=IMAGES // 4, seed=8, size=(160, 120))
    return made / "images"


def descendants(root: int) -> Iterator[tuple[int, str]]:
    """The processes below ``root``, with their names."""
    parent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                parent[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {root}
    while found := {pid for pid, of in parent.items() if of in below} - below:
        below |= found
    for pid in below - {root}:
        try:
            yield pid, (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue


def workers_of(root: int) -> list[int]:
    return sorted(pid for pid, name in descendants(root) if name.startswith("ray::") and "_Worker" in name)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc")
@pytest.mark.parametrize(
    ("command", "ending"), [(("predict", "--task", "isic2018"), ".csv"), (("embed",), ".parquet")], ids=lambda x: x[0]
)
def test_a_killed_worker_changes_nothing(command: tuple[str, ...], ending: str, images: Path, tmp_path: Path) -> None:
    """One image is a pipe that has nothing to read until a worker was killed, so that the kill comes in the middle."""
    pytest.importorskip("ray.data", reason="--engine ray needs the [ray] extra: pip install 'cygnet[ray]'")
    place = shutil.copytree(images, tmp_path / "images")
    call = [
        sys.executable,
        "-c",
        "from cygnet.cli import main; main()",
        *command,
        str(place),
        "-q",
        "--out",
    ]
    local, on_cluster = tmp_path / f"local{ending}", tmp_path / f"ray{ending}"
    assert subprocess.run([*call, local], check=False).returncode == 0

    late = sorted(place.iterdir())[IMAGES - 10]
    content = late.read_bytes()
    late.unlink()
    os.mkfifo(late)
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    run = subprocess.Popen([*call, on_cluster, "--engine", "ray", "--workers", "2"], env=environment)
    try:
        wait(lambda: found if len(found := workers_of(run.pid)) == 2 else None, run)
        with held_open(late, run):  # by now Ray may have ended one of them, which has nothing left to do
            reader = wait(lambda: [pid for pid in workers_of(run.pid) if late in opened_by(pid)], run)
            os.kill(reader[0], signal.SIGKILL)
        assert not on_cluster.exists()
        threading.Thread(target=feed, args=(late, content), daemon=True).start()
        assert run.wait(timeout=240) == 0
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait(timeout=60)
    assert on_cluster.read_bytes() == local.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images", local.name, on_cluster.name]


@contextmanager
def held_open(pipe: Path, run: subprocess.Popen[bytes]) -> Iterator[None]:
    """A pipe to which somebody could write: whoever opened it to read now waits for what comes, instead of for a writer."""

    def writer() -> list[int] | None:
        try:
            return [os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)]
        except OSError:  # nobody reads it yet
            return None

    (end,) = wait(writer, run)
    try:
        yield
    finally:
        os.close(end)


def opened_by(pid: int) -> set[Path]:
    """The files that a process has open."""
    found = set()
    with suppress(OSError):  # it ended meanwhile
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(link.readlink())
    return found


def wait(look: Callable[[], list[int] | None], run: subprocess.Popen[bytes], patience: float = 200) -> list[int]:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := look():
            return found
        assert run.poll() is None, "the run ended before a worker could be killed"
        time.sleep(0.1)
    raise AssertionError("the workers did not begin")


def feed(pipe: Path, content: bytes) -> None:
    """Give the picture to whoever opens the pipe, as often as it is opened."""
    while True:
        with pipe.open("wb") as stream:
            stream.write(content)
        time.sleep(0.05)


def test_a_resumed_run_asks_for_what_is_left(images: Path, model: LesionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches only; a file that changed meanwhile is looked at here."""
    records = collect([images], facts=False)[:30]
    whole = list(features.see(records, model, "logits"))
    asked: list[range] = []

    def cluster(records, todo, files, part, workers):
        asked.extend(todo)
        for span in todo:
            yield features.answers([records[i] for i in span], model, part)

    monkeypatch.setattr(on_ray, "_on_ray", cluster)
    forgotten = {9, 17}
    found = list(on_ray.see_on_ray(records, model, "logits", known=lambda i, _: None if i in forgotten else whole[i]))
    assert asked == [range(8, 16), range(16, 24)]
    assert [(f.record, f.values.tobytes()) for f in found] == [(w.record, w.values.tobytes()) for w in whole]
    asked.clear()
    times = iter([*whole, *[None] * len(whole)])  # all is known at first, nothing when it is fetched
    again = list(on_ray.see_on_ray(records, model, "logits", known=lambda *_: next(times)))
    assert not asked
    assert [f.values.tobytes() for f in again] == [w.values.tobytes() for w in whole]


def test_without_ray(
    images: Path, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cygnet\[ray\]'"):
        on_ray._ray()
    answer = command("embed", images, "--engine", "ray", "--out", tmp_path / "e.parquet")
    assert (answer.code, "--engine ray needs the [ray] extra" in answer.err) == (2, True)
