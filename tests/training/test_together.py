"""Two networks that answer as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models.registry import find
from cygnet.models.stored import read_network
from cygnet.schema import DIAGNOSES
from cygnet.training.export import add_attention
from cygnet.training.together import together

MEL = DIAGNOSES.index("mel")


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The packaged network, and another made of it by turning its head's answers round."""
    folder = tmp_path_factory.mktemp("members")
    network = find().network
    if "attention" not in {o.name for o in onnx.load_from_string(read_network(network)).graph.output}:
        network = add_attention(network, folder / "a.onnx", MEL)
    other = onnx.load_from_string(read_network(network))
    head = next(node for node in other.graph.node if "logits" in node.output)
    head.output[0] = "before"
    axis = onnx.numpy_helper.from_array(np.roll(np.arange(len(DIAGNOSES)), 1), "turn")
    other.graph.initializer.append(axis)
    other.graph.node.append(onnx.helper.make_node("Gather", ["before", "turn"], ["logits"], axis=1))
    onnx.save_model(other, str(folder / "b.onnx"))
    return [network, folder / "b.onnx"]


def mean_log_probability(logits: list[np.ndarray]) -> np.ndarray:
    return np.mean([x - np.logaddexp.reduce(x, axis=1, keepdims=True) for x in logits], axis=0)


def answers(path: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(read_network(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))


def test_the_mean_of_the_log_probabilities(members: list[Path], tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 160, 160, 3), np.uint8)
    a, b = (answers(path, pixels) for path in members)
    assert not np.allclose(a["logits"], b["logits"])
    both = answers(together(members, tmp_path / "both.onnx"), pixels)
    np.testing.assert_allclose(both["logits"], mean_log_probability([a["logits"], b["logits"]]), atol=1e-4)
    np.testing.assert_allclose(both["attention"], (a["attention"] + b["attention"]) / 2, atol=1e-4)
    np.testing.assert_allclose(both["embedding"], a["embedding"], atol=1e-5)
    # Probabilities multiply up to the geometric mean, whatever constant a member adds to its logits.
    shifted = mean_log_probability([a["logits"] + 5, b["logits"] - 3])
    np.testing.assert_allclose(both["logits"], shifted, atol=1e-4)


def test_one_network_alone_is_no_company(members: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two models or more"):
        together(members[:1], tmp_path / "one.onnx")


def test_what_lacks_an_output_is_named(members: list[Path], tmp_path: Path) -> None:
    bare = onnx.load_from_string(read_network(members[0]))
    kept = [o for o in bare.graph.output if o.name != "attention"]
    del bare.graph.output[:]
    bare.graph.output.extend(kept)
    onnx.save_model(bare, str(tmp_path / "bare.onnx"))
    with pytest.raises(InputError, match=r"bare\.onnx: has no output attention"):
        together([members[0], tmp_path / "bare.onnx"], tmp_path / "both.onnx")
