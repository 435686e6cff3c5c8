"""Learning from what packaged models think of the images that are seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.models.registry import ALIASES, DEFAULT, find
from cygnet.schema import DIAGNOSES
from cygnet.training.lesion import LesionConfig, _batch_loss, _loader, mix
from cygnet.training.loop import ALONE
from cygnet.training.sources import Sample
from cygnet.training.teacher import Teachers, model_files

N = len(DIAGNOSES)
SIDE = int(find().card["input"]["size"])


def images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, side, side, 3), np.uint8)


def test_teachers_answer_with_the_mean_of_their_log_probabilities_of_one_view() -> None:
    pixels = images(3, SIDE)
    logits = LesionModel().predict(pixels).logits
    expected = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(Teachers([DEFAULT])(torch.from_numpy(pixels)).numpy(), expected, atol=1e-6)
    other = torch.log_softmax(
        torch.from_numpy(LesionModel(model_files(ALIASES["accurate"])).logits(pixels, views=1)), dim=1
    )
    both = (torch.log(torch.from_numpy(expected)) + other) / 2
    found = Teachers([DEFAULT, ALIASES["accurate"]])(torch.from_numpy(pixels))
    np.testing.assert_allclose(found.numpy(), torch.softmax(both, dim=1).numpy(), atol=1e-6)


def test_teachers_see_mixed_images_and_those_of_another_side() -> None:
    pixels = torch.from_numpy(images(2, SIDE))
    mixed = pixels.float() * 0.5 + pixels.flip(0).float() * 0.5
    found = Teachers([DEFAULT])(mixed)
    rounded = LesionModel().predict(mixed.round().to(torch.uint8).numpy()).logits
    np.testing.assert_allclose(found.numpy(), torch.softmax(torch.from_numpy(rounded), dim=1).numpy(), atol=1e-6)
    smooth = Image.linear_gradient("L").convert("RGB")
    sizes = [torch.from_numpy(np.asarray(smooth.resize((s, s)))[None].copy()) for s in (SIDE, 2 * SIDE)]
    small, large = (Teachers([DEFAULT])(one).numpy() for one in sizes)
    np.testing.assert_allclose(large, small, atol=0.1)


class Fixed(torch.nn.Module):
    """A network that always answers the same."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.logits.expand(len(pixels), -1), torch.zeros(len(pixels), 1)


def test_a_teacher_takes_its_share_of_the_loss() -> None:
    """By hand: even logits are ln 7 from the label and from any teacher; sure ones 0 from the label, 10 from another class."""
    config = replace(LesionConfig(), mix=0.0, smoothing=0.0, taught=0.25)
    label = torch.zeros(2, N, dtype=torch.bool)
    label[:, 0] = True
    batch = [label, torch.ones_like(label), torch.zeros(2, N), torch.zeros(2, 40, 40, 3, dtype=torch.uint8)]
    thinks = torch.nn.functional.one_hot(torch.tensor([1, 1]), N).float()

    def loss(logits: torch.Tensor) -> float:
        rng = np.random.default_rng(0)
        return float(_batch_loss(Fixed(logits), batch, config, rng, ALONE, lambda pixels: thinks))

    assert loss(torch.zeros(N)) == pytest.approx(np.log(N), abs=1e-6)
    sure = torch.full((N,), -30.0)
    sure[0], sure[1] = 0.0, -10.0
    assert loss(sure) == pytest.approx(0.25 * 10, abs=1e-3)


@pytest.mark.parametrize("sees", ["same", "clear"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_teacher_sees_what_it_is_to_see(simulated: Path, sees: str, share: float) -> None:
    """Mixed or not: the network is shown the augmented view, the teacher that or the clear one, mixed alike."""
    path = simulated / "images" / "SIM-0003_01.jpg"
    nevus = Sample("1", path, None, "ham10000", "1", "nv", frozenset({"nv"}), frozenset(DIAGNOSES), False, "train")
    config = LesionConfig(draws=6, sizes=(40,), mix=share, teachers=("one",), taught=0.5, teacher_sees=sees)
    (batch,) = _loader([nevus], replace(config, workers=0, batch=6), 0, ALONE)
    assert len(batch) == (5 if sees == "clear" else 4)
    seen: dict[str, torch.Tensor] = {}

    def thinks(pixels: torch.Tensor) -> torch.Tensor:
        seen["teacher"] = pixels
        return torch.full((len(pixels), N), 1 / N)

    class Watched(Fixed):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen["network"] = pixels
            return super().forward(pixels)

    _batch_loss(Watched(torch.zeros(N)), batch, config, np.random.default_rng(1), ALONE, thinks)
    rendered = batch[3:] if not share else mix(batch[3:], _after_one_draw(1))[0]
    torch.testing.assert_close(seen["network"], rendered[0])
    torch.testing.assert_close(seen["teacher"], rendered[-1])


def _after_one_draw(seed: int) -> np.random.Generator:
    """The chance with which a batch is mixed, once it has been decided that it is."""
    rng = np.random.default_rng(seed)
    rng.random()
    return rng


def test_an_unknown_teacher_is_named() -> None:
    with pytest.raises(InputError, match=rf"lesion-99: no such model; name one of .*{DEFAULT}"):
        model_files("lesion-99")
