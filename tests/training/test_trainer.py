"""Loss, draws, schedule, and a whole tiny training that is interrupted and goes on."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.schema import DIAGNOSES
from cygnet.simulate import write_patients
from cygnet.training import augment
from cygnet.training.lesion import (
    LesionConfig,
    draw_weights,
    label_masks,
    mix,
    opinions,
    sharp_chances,
    train,
)
from cygnet.training.loop import one_cycle
from cygnet.training.network import build, partial_label_loss
from cygnet.training.sources import Sample, read_sources

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
]
N = len(DIAGNOSES)
ALL = frozenset(DIAGNOSES)


def sample(
    k: int, source: str = "ham10000", dx: str = "nv", *, sharp: bool = False, known: frozenset[str] = ALL
) -> Sample:
    path = Path(f"{source}-{k}.jpg")
    return Sample(
        str(k), path, path if sharp else None, source, f"{source}:{k}", dx, frozenset({dx}), known, dx == "mel", "train"
    )


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_loss_is_cross_entropy_for_full_labels(seed: int, n: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, N, generator=chance) * 4
    label = torch.randint(0, N, (n,), generator=chance)
    targets = torch.nn.functional.one_hot(label, N).bool()
    known = torch.ones(n, N, dtype=torch.bool)
    for smoothing in (0.0, 0.1):
        expected = torch.nn.functional.cross_entropy(logits, label, label_smoothing=smoothing, reduction="none")
        torch.testing.assert_close(
            partial_label_loss(logits, targets, known, smoothing), expected, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("smoothing", [0.0, 0.05])
def test_unknown_classes_get_no_gradient(smoothing: float) -> None:
    logits = torch.randn(3, N, generator=torch.Generator().manual_seed(1), requires_grad=True)
    known = torch.tensor([[True, True, True, False, True, False, False]] * 3)
    targets = torch.tensor([[True, False, True, False, False, False, False]] * 3)
    partial_label_loss(logits, targets, known, smoothing).sum().backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad[~known], torch.zeros(int((~known).sum())))
    assert (logits.grad[known] != 0).all()


def test_loss_of_a_set_is_minus_log_of_its_share() -> None:
    logits = torch.log(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]))
    targets = torch.tensor([[True, True, False, False, False, False, False]])
    known = torch.tensor([[True, True, True, False, False, False, False]])
    assert float(partial_label_loss(logits, targets, known)) == pytest.approx(-math.log(3 / 6), abs=1e-6)
    assert float(partial_label_loss(logits, known, known)) == pytest.approx(0, abs=1e-6)


def test_opinions_share_the_label() -> None:
    chance = torch.Generator().manual_seed(4)
    logits, known = torch.randn(5, N, generator=chance), torch.ones(5, N, dtype=torch.bool)
    label = torch.randint(0, N, (5,), generator=chance)
    hard = torch.nn.functional.one_hot(label, N).bool()
    votes = torch.rand(5, N, generator=chance)
    votes = votes / votes.sum(1, keepdim=True) * 0.3
    expected = torch.nn.functional.cross_entropy(logits, 0.7 * hard + votes, reduction="none")
    torch.testing.assert_close(partial_label_loss(logits, hard, known, 0.0, votes), expected)


def test_few_voters_count_less() -> None:
    quiet, few, many = (replace(sample("ham10000", 1, "nv"), votes=v) for v in ((), (0,) * 6 + (1,), (0,) * 6 + (97,)))
    assert opinions(quiet, 0.3).tolist() == [0.0] * N
    assert opinions(few, 0.3).sum() == pytest.approx(0.3 / 4)
    assert opinions(many, 0.3)[6] == pytest.approx(0.3 * 0.97)


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_mixing_keeps_the_stated_share_of_each_image(seed: int) -> None:
    pixels = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 20, 20, 3).contiguous() * 10
    (mixed, clear), order, share = mix([pixels, 255 - pixels], np.random.default_rng(seed))
    own, other = torch.arange(4) * 10.0, order * 10.0
    assert 0 <= share <= 1
    torch.testing.assert_close(mixed.float().mean((1, 2, 3)), own * share + other * (1 - share), atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(mixed.float() + clear.float(), torch.full_like(mixed, 255.0, dtype=torch.float32))


def test_masks() -> None:
    known = frozenset({"mel", "nv", "bkl"})
    targets, allowed = label_masks(sample(1, "isic2017", "mel", known=known))
    assert [d for d, on in zip(DIAGNOSES, targets, strict=True) if on] == ["mel"]
    assert {d for d, on in zip(DIAGNOSES, allowed, strict=True) if on} == known
    assert targets.dtype == allowed.dtype == bool


def test_draws_follow_shares_and_square_roots() -> None:
    samples = [
        *(sample(k, "ham10000", "nv") for k in range(64)),
        *(sample(k, "ham10000", "mel") for k in range(100, 104)),
        *(sample(k, "isic2017", "nv") for k in range(10)),
    ]
    weights = draw_weights(samples, {"ham10000": 0.6, "isic2017": 0.2, "isic2020": 0.2})
    assert weights.sum() == pytest.approx(1)
    assert weights[:68].sum() == pytest.approx(0.75)
    assert weights[68:].sum() == pytest.approx(0.25)
    assert weights[:64].sum() / weights[64:68].sum() == pytest.approx(math.sqrt(64) / math.sqrt(4))
    assert len(set(np.round(weights[:64], 12))) == 1


def test_sharp_shares_are_equal() -> None:
    samples = [sample(k, dx="nv", sharp=k < 20) for k in range(100)]
    samples += [sample(k, dx="mel", sharp=k < 145) for k in range(100, 150)]
    samples += [sample(k, "isic2017") for k in range(5)]
    chances = sharp_chances(samples)
    have = Counter((s.source, s.stratum) for s in samples if s.sharp_path)
    total = Counter((s.source, s.stratum) for s in samples)
    shares = {key: chances[key] * have[key] / total[key] for key in total}
    assert shares["ham10000", "nv"] == pytest.approx(shares["ham10000", "mel"]) == pytest.approx(0.2)
    assert chances["isic2017", "nv"] == 0


def test_one_cycle() -> None:
    values = [one_cycle(x) for x in np.linspace(0, 1, 401)]
    top = int(np.argmax(values))
    assert top == pytest.approx(0.15 * 400, abs=1)
    assert values[top] == pytest.approx(1, abs=1e-3)
    assert values[0] == pytest.approx(0.04)
    assert 0 < values[-1] < 0.01
    assert (np.diff(values[: top + 1]) > 0).all()
    assert (np.diff(values[top:]) < 0).all()


def test_sizes_get_equal_shares() -> None:
    config = LesionConfig(epochs=22, sizes=(128, 160))
    assert Counter(config.size_at(e) for e in range(22)) == {128: 11, 160: 11}
    assert LesionConfig(epochs=1, sizes=(128, 160)).size_at(0) == 128


def test_network_shapes() -> None:
    model = build(N, pretrained=False).eval()
    with torch.no_grad():
        logits, embedding = model(torch.zeros(2, 64, 64, 3, dtype=torch.uint8))
    assert (tuple(logits.shape), tuple(embedding.shape)) == ((2, N), (2, 1280))


def test_augment(simulated: Path) -> None:
    image = augment.load(str(simulated / "images" / "SIM-0003_01.jpg"), 256)
    views = [augment.renderings(image, 64, np.random.default_rng(k))[0] for k in range(40)]
    assert all(v.shape == (64, 64, 3) and v.dtype == np.uint8 for v in views)
    assert len({v.tobytes() for v in views}) == 40
    np.testing.assert_array_equal(views[3], augment.renderings(image, 64, np.random.default_rng(3))[0])
    assert augment.plain(image, 48).shape == (48, 48, 3)


def test_the_clear_view_shows_the_same_part_turned_alike(simulated: Path) -> None:
    """Without changes of the look both are the same pixels; with them, the clear one only differs by what was changed."""
    image = augment.load(str(simulated / "images" / "SIM-0003_01.jpg"), 256)
    for seed in range(20):
        view, clear = augment.renderings(image, 64, np.random.default_rng(seed), 0.0, clear=True)
        np.testing.assert_array_equal(view, clear)
        view, clear = augment.renderings(image, 64, np.random.default_rng(seed), 1.0, clear=True)
        np.testing.assert_array_equal(view, augment.renderings(image, 64, np.random.default_rng(seed), 1.0)[0])
        assert not np.array_equal(view, clear)
        turned = [np.rot90(m, k) for m in (view, view[:, ::-1]) for k in range(4)]
        likeness = [np.corrcoef(one.mean(2).ravel(), clear.mean(2).ravel())[0, 1] for one in turned]
        assert int(np.argmax(likeness)) == 0


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two OpenMP threads on a busy machine wait for each other for seconds a step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


CONFIG = LesionConfig(epochs=2, draws=8, batch=4, sizes=(64, 80), workers=0, pretrained=False)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Simulated lesions laid out as a small HAM10000."""
    data = tmp_path_factory.mktemp("data")
    folder = write_patients(data / "ham10000", n_patients=4, seed=1, n_lesions=10, size=(160, 120))
    names = sorted(p.name for p in (folder / "images").iterdir())
    kinds = ("nv", "mel", "nv", "bkl")
    rows = [f"{Path(n).stem},L{k},{kinds[k % 4]},images/{n}," for k, n in enumerate(names)]
    (folder / "manifest.csv").write_text("isic_id,lesion_id,dx,file,file_224\n" + "\n".join(rows) + "\n")
    return read_sources(data)


@pytest.fixture(scope="module")
def whole(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("run")
    train(samples, CONFIG, out)
    return out


class StopError(Exception):
    """The plug is pulled."""


def same(one: Path, other: Path) -> bool:
    a, b = torch.load(one, weights_only=True), torch.load(other, weights_only=True)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_training_leaves_its_files(whole: Path) -> None:
    assert sorted(p.name for p in whole.iterdir()) == [
        *("checkpoint.previous.pt", "checkpoint.pt", "config.json", "log.jsonl", "run.png", "run.svg", "weights.pt")
    ]
    log = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [(e["epoch"], e["size"]) for e in log] == [(1, 64), (2, 80)]
    assert all(math.isfinite(e["loss"]) for e in log)


def test_the_test_split_is_never_opened(samples: list[Sample], whole: Path, tmp_path: Path) -> None:
    """Without its test images on the disk the run is the same; the other splits' images are needed."""
    assert {s.split for s in samples} == {"train", "test", "calibration"}
    gone = Path("gone.jpg")
    train([replace(s, path=gone) if s.split == "test" else s for s in samples], CONFIG, tmp_path / "run")
    assert same(tmp_path / "run" / "weights.pt", whole / "weights.pt")
    for split in ("train", "calibration"):
        with pytest.raises(FileNotFoundError):
            train([replace(s, path=gone) if s.split == split else s for s in samples], CONFIG, tmp_path / split)


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_interrupted_training_goes_on_to_the_same_weights(
    samples: list[Sample], whole: Path, tmp_path: Path, stop: int
) -> None:
    def pull(step: int, steps: int, loss: float) -> None:
        assert steps == 4
        assert math.isfinite(loss)
        if step == stop:
            raise StopError

    with pytest.raises(StopError):
        train(samples, CONFIG, tmp_path, pull)
    assert not (tmp_path / "weights.pt").exists()
    assert (tmp_path / "checkpoint.pt").exists() == (stop > 2)
    seen: list[int] = []
    train(samples, CONFIG, tmp_path, lambda step, *_: seen.append(step))
    assert seen == ([1, 2, 3, 4] if stop == 1 else [3, 4])
    assert same(tmp_path / "weights.pt", whole / "weights.pt")
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


def test_finished_training_is_not_done_again(samples: list[Sample], whole: Path) -> None:
    before = torch.load(whole / "weights.pt", weights_only=True)

    def never(*_: object) -> None:
        raise AssertionError("a step was taken")

    train(samples, CONFIG, whole, never)
    after = torch.load(whole / "weights.pt", weights_only=True)
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_run_can_begin_with_the_weights_of_another(samples: list[Sample], whole: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, start=str(whole / "weights.pt"), learning_rate=0.0, ema=1.0, mix=0.0)
    found = torch.load(train(samples, config, tmp_path / "second"), weights_only=True)
    before = torch.load(whole / "weights.pt", weights_only=True)
    for name, value in before.items():
        if name.endswith("weight") and value.ndim > 1:  # nothing was learned at a rate of 0
            torch.testing.assert_close(found[name], value)


def test_the_start_is_averaged_into_the_end(samples: list[Sample], whole: Path, tmp_path: Path) -> None:
    start = str(whole / "weights.pt")
    parts = [
        torch.load(train(samples, replace(CONFIG, start=start, keep=k), tmp_path / str(k)), weights_only=True)
        for k in (0.0, 0.25)
    ]
    before = torch.load(start, weights_only=True)
    for name, value in before.items():
        if value.dtype.is_floating_point:
            torch.testing.assert_close(parts[1][name], 0.25 * value + 0.75 * parts[0][name])


def test_other_settings_are_refused(samples: list[Sample], whole: Path) -> None:
    with pytest.raises(
        InputError, match=r"config.json: this folder holds a run with other settings; choose another --out"
    ):
        train(samples, LesionConfig(epochs=3, draws=8, batch=4, sizes=(64, 80), workers=0, pretrained=False), whole)
