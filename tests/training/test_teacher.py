"""Learning from what packaged models think of the images that are seen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.models.registry import ALIASES, DEFAULT, FOLDER, find
from cygnet.schema import DIAGNOSES
from cygnet.training.lesion import LesionConfig, _batch_loss, _loader, mix, train
from cygnet.training.loop import ALONE
from cygnet.training.sources import Part, Sample
from cygnet.training.teacher import Teachers, asked, model_files, parts, refuse_unasked

N = len(DIAGNOSES)
SIDE = int(find().card["input"]["size"])


def images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, side, side, 3), np.uint8)


def all_of(count: int, teachers: int) -> torch.Tensor:
    """Every teacher is asked about every image."""
    return torch.ones(count, teachers, dtype=torch.bool)


def test_teachers_answer_with_the_mean_of_their_log_probabilities_of_one_view() -> None:
    pixels = images(3, SIDE)
    logits = LesionModel().predict(pixels).logits
    expected = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(Teachers([DEFAULT])(torch.from_numpy(pixels), all_of(3, 1)).numpy(), expected, atol=1e-6)
    other = torch.log_softmax(
        torch.from_numpy(LesionModel(model_files(ALIASES["accurate"])).logits(pixels, views=1)), dim=1
    )
    both = (torch.log(torch.from_numpy(expected)) + other) / 2
    found = Teachers([DEFAULT, ALIASES["accurate"]])(torch.from_numpy(pixels), all_of(3, 2))
    np.testing.assert_allclose(found.numpy(), torch.softmax(both, dim=1).numpy(), atol=1e-6)


def test_teachers_see_mixed_images_and_those_of_another_side() -> None:
    pixels = torch.from_numpy(images(2, SIDE))
    mixed = pixels.float() * 0.5 + pixels.flip(0).float() * 0.5
    found = Teachers([DEFAULT])(mixed, all_of(2, 1))
    rounded = LesionModel().predict(mixed.round().to(torch.uint8).numpy()).logits
    np.testing.assert_allclose(found.numpy(), torch.softmax(torch.from_numpy(rounded), dim=1).numpy(), atol=1e-6)
    smooth = Image.linear_gradient("L").convert("RGB")
    sizes = [torch.from_numpy(np.asarray(smooth.resize((s, s)))[None].copy()) for s in (SIDE, 2 * SIDE)]
    small, large = (Teachers([DEFAULT])(one, all_of(1, 1)).numpy() for one in sizes)
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
    batch = [
        label,
        torch.ones_like(label),
        torch.zeros(2, N),
        all_of(2, 1),
        torch.zeros(2, 40, 40, 3, dtype=torch.uint8),
    ]
    thinks = torch.nn.functional.one_hot(torch.tensor([1, 1]), N).float()

    def loss(logits: torch.Tensor) -> float:
        rng = np.random.default_rng(0)
        return float(_batch_loss(Fixed(logits), batch, config, rng, ALONE, lambda *_: thinks))

    assert loss(torch.zeros(N)) == pytest.approx(np.log(N), abs=1e-6)
    sure = torch.full((N,), -30.0)
    sure[0], sure[1] = 0.0, -10.0
    assert loss(sure) == pytest.approx(0.25 * 10, abs=1e-3)


@pytest.mark.parametrize("sees", ["same", "clear"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_teacher_sees_what_it_is_to_see(simulated: Path, sees: str, share: float) -> None:
    """Mixed or not: the network is shown the augmented view, the teacher that or the clear one, mixed alike."""
    path = simulated / "images" / "SIM-0003_01.jpg"
    nevus = nevus_of("1", path)
    config = LesionConfig(draws=6, sizes=(40,), mix=share, teachers=("one",), taught=0.5, teacher_sees=sees)
    (batch,) = _loader([nevus], replace(config, workers=0, batch=6), 0, ALONE, [None])
    assert len(batch) == (6 if sees == "clear" else 5)
    seen: dict[str, torch.Tensor] = {}

    def thinks(pixels: torch.Tensor, whom: torch.Tensor) -> torch.Tensor:
        assert whom.tolist() == [[True]] * 6
        seen["teacher"] = pixels
        return torch.full((len(pixels), N), 1 / N)

    class Watched(Fixed):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen["network"] = pixels
            return super().forward(pixels)

    _batch_loss(Watched(torch.zeros(N)), batch, config, np.random.default_rng(1), ALONE, thinks)
    rendered = batch[4:] if not share else mix(batch[4:], _after_one_draw(1))[0]
    torch.testing.assert_close(seen["network"], rendered[0])
    torch.testing.assert_close(seen["teacher"], rendered[-1])


def _after_one_draw(seed: int) -> np.random.Generator:
    """The chance with which a batch is mixed, once it has been decided that it is."""
    rng = np.random.default_rng(seed)
    rng.random()
    return rng


def nevus_of(group: str, path: Path = Path("1.jpg")) -> Sample:
    return Sample("1", path, None, "ham10000", group, "nv", frozenset({"nv"}), frozenset(DIAGNOSES), False, "train")


@pytest.fixture
def halves(tmp_path: Path) -> list[str]:
    """Two models as if each had been made without one half of the training split: lesion-2, and one that answers otherwise."""
    for path in FOLDER.glob(f"{DEFAULT}.*"):  # whose weights the other shares
        shutil.copy(path, tmp_path)
    made = []
    for number, name in enumerate((DEFAULT, ALIASES["accurate"]), 1):
        files = find(name)
        for path in FOLDER.glob(f"{name}.*"):
            shutil.copy(path, tmp_path / f"half-{number}{path.name.removeprefix(name)}")
        card = json.loads((tmp_path / f"half-{number}.json").read_text())
        card["name"], card["files"]["statistics"]["name"] = f"half-{number}", f"half-{number}.npz"
        card["training"]["without_part"] = f"{number}/2"
        (tmp_path / f"half-{number}.json").write_text(json.dumps(card))
        made.append(str(tmp_path / f"half-{number}.json"))
        assert model_files(made[-1]).sha256 == files.sha256
    return made


def test_an_image_is_judged_by_teachers_that_have_not_met_it(halves: list[str]) -> None:
    """Groups of both halves; a teacher made with all images is asked about all."""
    left_out = parts([*halves, DEFAULT])
    assert left_out == [Part(1, 2), Part(2, 2), None]
    groups = [f"g{k}" for k in range(6)]
    whom = torch.from_numpy(np.stack([asked(nevus_of(g), left_out[:2]) for g in groups]))
    assert whom.sum(1).tolist() == [1] * 6
    assert 0 < int(whom[:, 0].sum()) < 6
    pixels = torch.from_numpy(images(6, SIDE))
    found = Teachers(halves)(pixels, whom)
    for k, teacher in enumerate(whom.int().argmax(1).tolist()):
        alone = Teachers([halves[teacher]])(pixels[k : k + 1], all_of(1, 1))
        torch.testing.assert_close(found[k : k + 1], alone)
    assert [asked(nevus_of(g), left_out)[2] for g in groups] == [True] * 6


def test_teachers_that_leave_images_unjudged_are_refused(halves: list[str]) -> None:
    samples = [nevus_of(f"g{k}") for k in range(20)]
    refuse_unasked(samples, [])
    refuse_unasked(samples, parts(halves))
    refuse_unasked(samples, parts([halves[0], DEFAULT]))
    met = sum(not Part(1, 2).holds(s.group) for s in samples)
    with pytest.raises(
        InputError, match=rf"no teacher may be asked about {met} of 20 training images.*left out the parts 1/2"
    ):
        refuse_unasked(samples, parts(halves[:1]))


@given(st.integers(0, 2**31), st.lists(st.sampled_from([(True, False), (False, True)]), min_size=2, max_size=9))
@settings(max_examples=30, deadline=None)
def test_only_images_with_the_same_teachers_are_mixed(seed: int, rows: list[tuple[bool, bool]]) -> None:
    whom = torch.tensor(rows)
    _, order, _ = mix([torch.zeros(len(rows), 8, 8, 3)], np.random.default_rng(seed), whom)
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert torch.equal(whom[order], whom)


def test_folds_are_distilled_into_one_network(halves: list[str], simulated: Path, tmp_path: Path) -> None:
    """A training run asks each teacher about its own images alone."""
    names = sorted((simulated / "images").glob("*.jpg"))[:8]
    samples = [
        replace(nevus_of(f"g{k}", path), split="calibration" if k == 7 else "train") for k, path in enumerate(names)
    ]
    config = LesionConfig(epochs=1, draws=8, batch=8, sizes=(80,), workers=0, pretrained=False, mix=0.0, taught=0.5)
    train(samples, replace(config, teachers=tuple(halves)), tmp_path / "run")
    assert (tmp_path / "run" / "weights.pt").exists()
    with pytest.raises(InputError, match="no teacher may be asked about"):
        train(samples, replace(config, teachers=tuple(halves[:1])), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_unknown_teacher_is_named() -> None:
    with pytest.raises(InputError, match=rf"lesion-99: no such model; name one of .*{DEFAULT}"):
        model_files("lesion-99")
