"""A run that meets hard times: damaged checkpoints, a loss that is no number, a full disk; on a network of a few weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from PIL import Image

from cygnet.errors import InputError, OutputError, TrainingError
from cygnet.training import checkpoint
from cygnet.training.checkpoint import CURRENT, PREVIOUS, last_good
from cygnet.training.loop import fit
from cygnet.training.place import Place, open_place
from cygnet.training.plots import plot, series

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@dataclass(frozen=True)
class Tiny:
    epochs: int = 3
    draws: int = 8
    batch: int = 4
    learning_rate: float = 0.1
    weight_decay: float = 0.0
    ema: float = 0.5
    seed: int = 1
    workers: int = 0
    precision: str = "auto"

    def size_at(self, epoch: int) -> int:
        return 1


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(
    out: Path,
    config: Tiny = Tiny(),
    spoil: Callable[[int], float] = lambda step: 1.0,
    say: Callable[[str], None] = lambda text: None,
) -> list[int]:
    """Fit a line; ``spoil(step)`` multiplies the loss. The steps that were taken."""
    torch.manual_seed(0)
    model, average = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    taken: list[int] = []
    at = 0

    def batches(epoch: int) -> Iterator[list[torch.Tensor]]:
        nonlocal at
        rng = np.random.default_rng(epoch)
        for k in range(config.draws // config.batch):
            at = epoch * 2 + k + 1
            yield [torch.from_numpy(rng.normal(size=(config.batch, 2)).astype(np.float32))]

    def loss(network: torch.nn.Module, batch: list[torch.Tensor], rng: np.random.Generator) -> torch.Tensor:
        return ((network(batch[0]) - 3) ** 2).mean() * spoil(at)

    progress = lambda step, steps, value: taken.append(step)  # noqa: E731
    fit(model, average, config, out, batches, loss, lambda: {"auc": {"a": 0.5, "b": 0.75}}, progress, Place(), say)
    return taken


def weights(out: Path, name: str = CURRENT) -> dict[str, torch.Tensor]:
    return torch.load(out / name, weights_only=True)["average"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    run(tmp_path / "whole")
    return tmp_path / "whole"


def test_the_last_two_checkpoints_are_kept(whole: Path) -> None:
    assert [torch.load(whole / n, weights_only=True)["epoch"] for n in (PREVIOUS, CURRENT)] == [2, 3]
    assert sorted(p.name for p in whole.iterdir()) == [
        PREVIOUS, CURRENT, "config.json", "log.jsonl", "run.png", "run.svg"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"no checkpoint"),
        lambda p: torch.save({"epoch": 3}, p),
        lambda p: torch.save({**torch.load(p), "average": {"weight": torch.tensor([math.nan])}}, p),
    ],
    ids=["cut", "empty", "text", "parts", "nan"],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    whole: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    before = weights(whole)
    damage(whole / CURRENT)
    said: list[str] = []
    assert run(whole, say=said.append) == [5, 6]
    assert len(said) == 1
    assert "checkpoint.pt: damaged (" in said[0]
    assert said[0].endswith("; going on from checkpoint.previous.pt, epoch 2")
    assert same(weights(whole), before)
    assert [json.loads(line)["epoch"] for line in (whole / "log.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_a_kill_between_the_two_moves_loses_nothing(whole: Path) -> None:
    before = weights(whole)
    (whole / CURRENT).replace(whole / PREVIOUS)
    assert run(whole) == []
    assert same(weights(whole, PREVIOUS), before)


def test_damaged_checkpoints_only_are_not_passed_over(whole: Path) -> None:
    for name in (CURRENT, PREVIOUS):
        (whole / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"checkpoint.pt: damaged .* no sound one before it; delete it to begin again"):
        run(whole)
    assert last_good(whole.parent) == (None, "")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, whole: Path, value: float) -> None:
    out = tmp_path / "run"
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) at step 6 of 6 \(epoch 3\).*checkpoint of epoch 2 is kept"
    ):
        run(out, spoil=lambda step: value if step == 6 else 1.0)
    state, notice = last_good(out)
    assert state is not None
    assert (state["epoch"], notice) == (2, "")
    assert run(out, replace(Tiny(), precision="float32")) == [5, 6], "how it is done may change"
    assert same(weights(out), weights(whole))


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    """The loss is 0, the derivative of its square root infinite."""
    model, average = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    loss = lambda network, batch, rng: (network(batch[0]) * 0).sqrt().mean()  # noqa: E731
    batches = lambda epoch: iter([[torch.ones(4, 1)]])  # noqa: E731
    with pytest.raises(TrainingError, match=r"the gradient of the loss is nan at step 1 of 6 .*no epoch was finished"):
        fit(model, average, Tiny(), tmp_path, batches, loss, dict)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, whole: Path) -> None:
    """/dev/full takes nothing: every write to it fails as on a full disk."""
    out = tmp_path / "run"

    def fill(step: int) -> float:
        if step == 5:
            (out / "checkpoint.part").symlink_to("/dev/full")
        return 1.0

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(
        OutputError, match=r"checkpoint.pt: cannot be written .*free some space, then run the same command"
    ):
        run(out, spoil=fill)
    assert not (out / "checkpoint.part").is_symlink()
    assert [torch.load(out / n, weights_only=True)["epoch"] for n in (PREVIOUS, CURRENT)] == [1, 2]
    assert run(out) == [5, 6]
    assert same(weights(out), weights(whole))


def test_a_full_disk_for_the_other_files(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "log.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"log.jsonl: cannot be written \(No space left on device\)"):
        checkpoint.write_text(tmp_path / "log.jsonl", "x")
    (tmp_path / ".run.part.png").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"run.png: cannot be written \(No space left on device\)"):
        plot([{"epoch": 1, "loss": 0.5}], tmp_path)


def test_runs_of_younger_and_older_settings(whole: Path) -> None:
    """A setting that the folder does not know counts as its default; a differing one is named."""
    stored = json.loads((whole / "config.json").read_text())
    del stored["ema"], stored["workers"]
    (whole / "config.json").write_text(json.dumps(stored))
    assert run(whole) == []
    with pytest.raises(InputError, match=r"there, learning_rate is 0.1, ema is 0.5\)"):
        run(whole, replace(Tiny(), learning_rate=0.2, ema=0.9, workers=7))
    (whole / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: damaged"):
        run(whole)


def test_checkpoints_of_before_logs_were_in_them(whole: Path) -> None:
    state = torch.load(whole / PREVIOUS, weights_only=True)
    del state["log"], state["scaler"]
    torch.save(state, whole / CURRENT)
    before = (whole / "log.jsonl").read_text().splitlines()
    run(whole)
    after = (whole / "log.jsonl").read_text().splitlines()
    assert after[:2] == before[:2]
    assert len(after) == 3


def test_the_picture_of_a_run(whole: Path) -> None:
    with Image.open(whole / "run.png") as image:
        image.load()
        assert image.width > 800
    text = " ".join(ElementTree.parse(whole / "run.svg").getroot().itertext())
    assert all(word in text for word in ("epoch", "training loss", "auc a", "auc b"))
    again = (whole / "run.svg").read_bytes()
    plot([json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()], whole)
    assert (whole / "run.svg").read_bytes() == again


def test_series_of_a_log() -> None:
    log = [{"epoch": 1, "loss": 2.0, "jaccard": 0.5}, {"epoch": 2, "loss": 1.0, "jaccard": 0.6, "auc": {"x": 0.7}}]
    found = series(log)
    assert found["jaccard"] == [0.5, 0.6]
    assert math.isnan(found["auc x"][0])
    assert found["auc x"][1] == 0.7


@pytest.mark.parametrize(("able", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_processor_computes_in_16_bits_only_where_it_has_instructions_for_them(
    able: bool, chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    with open_place("cpu") as place:
        assert place.precision == chosen
    assert Place().precision == chosen
    with open_place("cpu", "bfloat16") as place:
        assert place.precision == torch.bfloat16, "what is asked for is done"


def test_places() -> None:
    with open_place("cpu") as place:
        assert (place.device.type, place.leads, place.world) == ("cpu", True, 1)
        assert place.agree(lambda: 3) == 3
    with open_place("cpu", "float32") as place:
        assert not place.autocast()._enabled
    with pytest.raises(InputError, match="needs a GPU"), open_place("cpu", "float16"):
        pass
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="torch finds no GPU here"), open_place("cuda"):
            pass
