"""The exported lesion network: the same answers as in training, in every way of storing it, and where it looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")
onnxruntime = pytest.importorskip("onnxruntime")

from cygnet.errors import ModelError
from cygnet.schema import DIAGNOSES
from cygnet.training.export import add_attention, halve, to_onnx, versions
from cygnet.training.finish import OUTPUTS
from cygnet.training.network import Explained, LesionNet, build

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
MEL = DIAGNOSES.index("mel")
SIZE = 64


@pytest.fixture(scope="module")
def net() -> LesionNet:
    torch.manual_seed(5)
    net = build(len(DIAGNOSES), pretrained=False).eval()
    torch.nn.init.normal_(net.head.weight, std=0.5)
    torch.nn.init.normal_(net.head.bias)
    return net


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def files(net: LesionNet, pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    run = tmp_path_factory.mktemp("export")
    full = to_onnx(Explained(net, MEL), run / "float32.onnx", SIZE, OUTPUTS)
    return {"float32": full, **versions(full, run, [pixels])}


def answers(path: Path, pixels: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(list(OUTPUTS), {"pixels": pixels}))


def test_the_map_adds_up_to_the_logit(net: LesionNet, pixels: np.ndarray) -> None:
    """Pooling is a mean and the head linear, so the map's mean is the contrast of the logits without their biases."""
    with torch.no_grad():
        logits, _, attention = Explained(net, MEL)(torch.from_numpy(pixels))
    assert attention.shape == (3, SIZE // 32, SIZE // 32)
    free = logits - net.head.bias
    torch.testing.assert_close(attention.mean((1, 2)), free[:, MEL] - free.mean(1), atol=1e-4, rtol=1e-4)


def test_what_every_diagnosis_shares_leaves_the_map_alone(net: LesionNet, pixels: np.ndarray) -> None:
    with torch.no_grad():
        before = Explained(net, MEL)(torch.from_numpy(pixels))[2]
        shared = torch.randn(net.head.weight.shape[1])
        net.head.weight += shared
        after = Explained(net, MEL)(torch.from_numpy(pixels))[2]
        net.head.weight -= shared
    torch.testing.assert_close(before, after, atol=1e-3, rtol=1e-3)


def test_float32_answers_are_those_of_training(net: LesionNet, pixels: np.ndarray, files: dict[str, Path]) -> None:
    with torch.no_grad():
        expected = Explained(net, MEL)(torch.from_numpy(pixels))
    for found, wanted in zip(answers(files["float32"], pixels), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4, rtol=1e-3)


def test_every_storage_has_a_map_that_agrees_with_its_own_logits(
    net: LesionNet, pixels: np.ndarray, files: dict[str, Path]
) -> None:
    assert len(files) == 4
    for path in files.values():
        logits, _, attention = answers(path, pixels)
        free = logits - net.head.bias.detach().numpy()
        np.testing.assert_allclose(attention.mean((1, 2)), free[:, MEL] - free.mean(1), atol=5e-3, rtol=1e-2)


def test_the_map_costs_next_to_nothing(files: dict[str, Path], net: LesionNet, tmp_path: Path) -> None:
    plain = to_onnx(net, tmp_path / "plain.onnx", SIZE, OUTPUTS[:2])
    assert files["float32"].stat().st_size - plain.stat().st_size < 20_000


def test_attention_can_be_added_to_a_stored_network(
    net: LesionNet, pixels: np.ndarray, files: dict[str, Path], tmp_path: Path
) -> None:
    plain = halve(to_onnx(net, tmp_path / "plain.onnx", SIZE, OUTPUTS[:2]), tmp_path / "half.onnx")
    added = add_attention(plain, tmp_path / "added.onnx", MEL)
    wanted = answers(files["float16 weights, float32 arithmetic"], pixels)
    for found, expected in zip(answers(added, pixels), wanted, strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-3, rtol=1e-2)
    with pytest.raises(ModelError, match="no pooled and linear head"):
        add_attention(to_onnx(Probability(), tmp_path / "other.onnx", SIZE, ["logits"]), tmp_path / "x.onnx", MEL)


class Probability(torch.nn.Module):
    """A network of another make."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(pixels.float().mean(3))
