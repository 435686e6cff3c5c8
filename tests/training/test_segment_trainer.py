"""Training outlines: image and mask move together, the test split stays closed, a run ends in a model that works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from small_ham import small_ham

from cygnet.errors import InputError
from cygnet.imaging import decode
from cygnet.models import SegmentModel, find
from cygnet.training import segment_views
from cygnet.training.network import BACKBONES, build
from cygnet.training.segment import SegmentConfig, train
from cygnet.training.segment_finish import finish
from cygnet.training.segment_masks import MaskStore, mask_path, truth
from cygnet.training.segment_network import begin_with, build_segment, soft_jaccard_loss
from cygnet.training.sources import Sample

CONFIG = SegmentConfig(epochs=2, draws=12, batch=4, sizes=(64, 160), workers=0, pretrained=False)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two OpenMP threads on a busy machine wait for each other for seconds a step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Simulated lesions laid out as a small HAM10000."""
    return small_ham(tmp_path_factory.mktemp("data"), 4, 10)


@pytest.fixture(scope="module")
def run(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that never had the test images or their masks."""
    out = tmp_path_factory.mktemp("run")
    gone = Path("gone") / "images" / "gone.jpg"
    train([replace(s, path=gone) if s.split == "test" else s for s in samples], CONFIG, out)
    return out


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_image_and_mask_move_together(strength: float) -> None:
    """A white disk on black: wherever the view puts it, its mask is there too."""
    row, column = np.mgrid[:90, :120]
    disk = np.where(np.hypot(row - 40, column - 70) < 22, 255, 0).astype(np.uint8)
    image, mask = Image.fromarray(disk).convert("RGB"), Image.fromarray(disk)
    agreed = []
    for seed in range(60):
        pixels, wanted = segment_views.view(image, mask, 64, np.random.default_rng(seed), strength)
        assert pixels.shape == (64, 64, 3)
        assert wanted.shape == (32, 32)
        light = pixels.reshape(32, 2, 32, 2, 3).mean((1, 3, 4))
        if 40 < wanted.max() and light.std() > 20:
            agreed.append(np.corrcoef(light.ravel(), wanted.ravel())[0, 1])
    assert len(agreed) > 40
    assert np.median(agreed) > (0.98 if strength == 0 else 0.9)


def test_views_are_drawn_from_the_seed_and_sometimes_without_lesion() -> None:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8))
    mask = Image.new("L", (120, 90))
    mask.paste(255, (40, 30, 70, 60))
    views = [segment_views.view(image, mask, 64, np.random.default_rng(s)) for s in range(150)]
    again = segment_views.view(image, mask, 64, np.random.default_rng(7))
    assert np.array_equal(again[0], views[7][0])
    empty = sum(not wanted.any() for _, wanted in views)
    assert 1 <= empty < 40


def test_the_store_keeps_area_and_square(samples: list[Sample], tmp_path: Path) -> None:
    store = MaskStore.build(samples, tmp_path)
    for i in (0, 7):
        full = truth(samples[i])
        assert np.asarray(store.whole(i)).mean() / 255 == pytest.approx(full.mean(), abs=0.003)
        height, width = full.shape
        side = slice(width // 8, width - width // 8)
        assert np.asarray(store.square(i)).mean() / 255 == pytest.approx(full[:, side].mean(), abs=0.01)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    MaskStore.build(samples, tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_a_missing_mask_is_named(samples: list[Sample]) -> None:
    with pytest.raises(InputError, match=r"nope_segmentation\.png: no such mask"):
        truth(replace(samples[0], image_id="nope"))
    assert mask_path(samples[0]).is_file()


def test_loss_by_hand() -> None:
    # Certain and right: no loss. One of two pixels wrong: Jaccard (1 + 1) / (2 + 1) with one added to both.
    sure = torch.tensor([[[50.0, -50.0]]])
    right, wrong = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, 1.0]]])
    assert float(soft_jaccard_loss(sure, right)) == pytest.approx(0, abs=1e-6)
    # Cross-entropy of the wrong pixel is 50, halved by the mean. |a|+|b| = 3, |a-b| = 1: 1 - (2 + 1) / (4 + 1).
    assert float(soft_jaccard_loss(sure, wrong)) == pytest.approx(25 + 0.4)


def test_soft_truth_is_best_met_by_itself() -> None:
    wanted = torch.rand((2, 5, 5), generator=torch.Generator().manual_seed(0))
    exact = torch.logit(wanted)
    best = float(soft_jaccard_loss(exact, wanted))
    for shift in (-0.3, 0.3):
        assert float(soft_jaccard_loss(exact + shift, wanted)) > best


@pytest.mark.parametrize("backbone", BACKBONES)
def test_network_shapes(backbone: str) -> None:
    net = build_segment(pretrained=False, backbone=backbone).eval()
    for size in (64, 160):
        found = net(torch.zeros((2, size, size, 3), dtype=torch.uint8))
        assert found.shape == (2, size // 2, size // 2)


def test_a_run_begins_with_an_outline_or_a_lesion_network() -> None:
    lesion, outline, net = build(7, pretrained=False), build_segment(pretrained=False), build_segment(pretrained=False)
    decoder = net.top.weight.clone()
    begin_with(net, lesion.state_dict(), "lesion.pt")
    assert torch.equal(net.backbone._conv_stem.weight, lesion.backbone._conv_stem.weight)
    assert torch.equal(net.top.weight, decoder)
    begin_with(net, outline.state_dict(), "outline.pt")
    assert all(torch.equal(v, outline.state_dict()[k]) for k, v in net.state_dict().items())
    with pytest.raises(InputError, match=r"lesion\.pt: holds another network .* same --backbone"):
        begin_with(build_segment(pretrained=False, backbone="lite2"), lesion.state_dict(), "lesion.pt")
    with pytest.raises(InputError, match=r"other\.pt: holds another network"):
        begin_with(net, {"x": torch.zeros(1)}, "other.pt")


def test_nothing_of_a_lesion_network_can_be_kept(samples: list[Sample], tmp_path: Path) -> None:
    torch.save(build(7, pretrained=False).state_dict(), tmp_path / "lesion.pt")
    with pytest.raises(InputError, match=r"keep 0\.5: .*lesion\.pt is a lesion network"):
        train(samples, replace(CONFIG, start=str(tmp_path / "lesion.pt"), keep=0.5), tmp_path / "run")


def test_strength_falls_to_its_end() -> None:
    config = SegmentConfig(epochs=5, strength=0.9, settled=0.1)
    assert [config.strength_at(e) for e in range(5)] == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1])
    assert SegmentConfig(epochs=1).strength_at(0) == SegmentConfig().strength


def test_a_run_ends_in_a_model(samples: list[Sample], run: Path, tmp_path: Path) -> None:
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [(e["epoch"], e["size"]) for e in log] == [(1, 64), (2, 160)]
    assert all(0 <= e["threshold_jaccard"] <= e["jaccard"] <= 1 for e in log)
    card = json.loads(finish(run, samples, [], CONFIG, "mine", tmp_path, 2).read_text())
    model = SegmentModel(find("mine", tmp_path))
    assert (model.size, model.grid, model.views) == (160, 80, 2)
    assert 0 < model.threshold < 1
    assert card["storage"]["chosen"] in card["storage"]["jaccard_on_training_and_calibration"]
    pixels = decode(samples[0].path.read_bytes(), 160).pixels
    exact = _torch_probability(run / "weights.pt", pixels[None])
    assert SegmentModel(model.files, views=1).predict(pixels[None]) == pytest.approx(exact, abs=0.1)


def test_an_interrupted_run_goes_on_to_the_same_weights(samples: list[Sample], run: Path, tmp_path: Path) -> None:
    class StopError(Exception):
        """The plug is pulled."""

    def pull(step: int, *_: object) -> None:
        if step == 4:
            raise StopError

    with pytest.raises(StopError):
        train(samples, CONFIG, tmp_path, pull)
    train(samples, CONFIG, tmp_path)
    one, other = (torch.load(p / "weights.pt", weights_only=True) for p in (run, tmp_path))
    assert all(torch.equal(one[k], other[k]) for k in one)


def _torch_probability(weights: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    net = build_segment(pretrained=False)
    net.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        return torch.sigmoid(net.eval()(torch.from_numpy(pixels.copy()))).numpy()
