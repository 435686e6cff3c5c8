"""A packaged network goes on as the one that it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from cygnet.errors import InputError, ModelError
from cygnet.models import LesionModel, SegmentModel
from cygnet.models.registry import SEGMENTER, find, find_lesion
from cygnet.schema import DIAGNOSES
from cygnet.training.network import build
from cygnet.training.reopen import reopen, start_file
from cygnet.training.segment_network import build_segment


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Smooth blobs on skin, so that answers are neither all lesion nor none."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:160, 0:160]
    discs = [np.hypot(x - a, y - b) < r for a, b, r in rng.uniform((50, 50, 15), (110, 110, 40), (12, 3))]
    skin, mole = np.array([205, 160, 140]), np.array([90, 55, 45])
    clean = np.stack([np.where(d[..., None], mole, skin) for d in discs]) + rng.normal(0, 8, (12, 160, 160, 3))
    return clean.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def opened(pixels: np.ndarray) -> torch.nn.Module:
    net = build_segment(pretrained=False)
    reopen(find(SEGMENTER).network, net, [torch.from_numpy(pixels)])
    return net.eval()


def test_it_answers_as_the_packaged_network(opened: torch.nn.Module, pixels: np.ndarray) -> None:
    with torch.no_grad():
        ours = torch.sigmoid(opened(torch.from_numpy(pixels))).numpy()
    theirs = SegmentModel().predict(pixels)
    assert 0.02 < (theirs > 0.5).mean() < 0.9
    # The package rounds activations to 8 bits, which the reopened network does not.
    assert np.mean((ours > 0.5) == (theirs > 0.5)) > 0.995
    assert np.abs(ours - theirs).mean() < 0.01


def test_its_normalisations_have_real_statistics(opened: torch.nn.Module, pixels: np.ndarray) -> None:
    """With statistics of the same batch, training mode answers as evaluation does."""
    plain = torch.from_numpy(pixels)
    with torch.no_grad():
        fixed = torch.sigmoid(opened(plain))
        for norm in (m for m in opened.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.train()
            norm.momentum = 0.0
        moving = torch.sigmoid(opened(plain))
    opened.eval()
    assert float(((fixed > 0.5) == (moving > 0.5)).float().mean()) > 0.995


def test_another_network_is_refused(pixels: np.ndarray) -> None:
    net = build(len(DIAGNOSES), pretrained=False, backbone="lite1")
    with pytest.raises(ModelError, match="holds another network"):
        reopen(find().network, net, [torch.from_numpy(pixels[:2])])


def test_a_start_is_a_file_or_a_model(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.touch()
    make = lambda: build_segment(pretrained=False)  # noqa: E731
    assert start_file("", make, [], 160, tmp_path) == ""
    assert start_file(str(weights), make, [], 160, tmp_path) == str(weights)
    with pytest.raises(InputError, match="segment-1"):
        start_file("segment-9", make, [], 160, tmp_path)


def test_of_joined_networks_the_one_that_fits_is_opened(pixels: np.ndarray) -> None:
    """The mean of the accurate model's log probabilities is that of the two networks opened from it."""
    joined = find_lesion("accurate")
    side = int(joined.card["input"]["size"])
    images = torch.nn.functional.interpolate(torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), (side, side))
    at_side = images.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    said = []
    for backbone in ("lite0", "lite2"):
        net = build(len(DIAGNOSES), pretrained=False, backbone=backbone)
        reopen(joined.network, net, [at_side])
        with torch.no_grad():
            said.append(torch.log_softmax(net.eval()(at_side)[0], dim=1).numpy())
    theirs = LesionModel(joined).logits(at_side.numpy(), views=1)
    assert np.abs(np.mean(said, axis=0) - theirs).mean() < 0.05
    assert np.abs(said[0] - said[1]).mean() > 0.2
