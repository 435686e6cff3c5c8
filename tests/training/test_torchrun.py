"""Several processes through torchrun train the same network as one; all of them go on from one checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from cygnet.simulate import write_patients
from cygnet.training.loop import ALONE
from cygnet.training.place import Place

SCRIPT = Path(__file__).with_name("torchrun_script.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated lesions laid out as a small HAM10000."""
    data = tmp_path_factory.mktemp("data")
    folder = write_patients(data / "ham10000", n_patients=4, seed=1, n_lesions=10, size=(160, 120))
    names = sorted(p.name for p in (folder / "images").iterdir())
    rows = [f"{Path(n).stem},L{k},{('nv', 'mel', 'nv', 'bkl')[k % 4]},images/{n}," for k, n in enumerate(names)]
    (folder / "manifest.csv").write_text("isic_id,lesion_id,dx,file,file_224\n" + "\n".join(rows) + "\n")
    return data


def call(*args: object, processes: int = 1) -> subprocess.CompletedProcess[str]:
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [*start, str(SCRIPT), *map(str, args)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=280, check=False)


def test_two_processes_train_what_one_does_and_resume(data: Path, tmp_path: Path) -> None:
    one = call(data, tmp_path / "one")
    assert one.returncode == 0, one.stderr
    stopped = call(data, tmp_path / "two", 3, processes=2)
    assert stopped.returncode != 0
    assert torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)["epoch"] == 1
    assert not (tmp_path / "two" / "weights.pt").exists()
    two = call(data, tmp_path / "two", processes=2)
    assert two.returncode == 0, two.stderr
    assert all(f"rank {rank} of 2: done" in two.stdout for rank in (0, 1))  # lines of two processes may run into one
    a, b = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("one", "two"))
    assert a.keys() == b.keys()
    start = torch.load(tmp_path / "one" / "checkpoint.previous.pt", weights_only=True)["average"]
    moved = {k: float((a[k] - start[k]).norm()) for k in a if a[k].ndim > 1}
    apart = {k: float((a[k] - b[k]).norm()) for k in a if a[k].ndim > 1}
    assert sum(moved.values()) > 0.01
    assert sum(apart.values()) < 1e-4 * sum(moved.values())
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)


def test_one_process_needs_no_partner() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    assert ALONE.together(model) is model
    assert type(model[1]) is torch.nn.BatchNorm2d
    assert Place().mean(torch.tensor(2.5)) == 2.5
