"""Two networks that answer as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models.registry import find
from cygnet.models.stored import read_network
from cygnet.schema import DIAGNOSES
from cygnet.training.export import add_attention
from cygnet.training.together import together

MEL = DIAGNOSES.index("mel")
SIDE = int(find().card["input"]["size"])


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
    pixels = np.random.default_rng(3).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
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


def toy(path: Path, side: int, grid: int, weight: np.ndarray) -> Path:
    """A network of ``side`` px: embedding the mean colour, logits that times ``weight``, attention the mean red of a grid's cells."""
    cell = side // grid
    float_, helper = onnx.TensorProto.FLOAT, onnx.helper
    constants = {"weight": weight.astype(np.float32), "plane": np.array([1, 2]), "channel": np.array([1])}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["wide"], to=float_),
        helper.make_node("ReduceMean", ["wide", "plane"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weight"], ["logits"]),
        helper.make_node("Transpose", ["wide"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Split", ["cells"], ["red", "green", "blue"], axis=1, num_outputs=3),
        helper.make_node("Squeeze", ["red", "channel"], ["attention"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", side, side, 3])
    made = [helper.make_tensor_value_info(n, float_, None) for n in ("logits", "embedding", "attention")]
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "toy", [pixels], made, stored)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return path


@pytest.mark.parametrize("large_first", [True, False])
def test_members_of_different_sides_see_the_image_at_their_own(tmp_path: Path, large_first: bool) -> None:
    rng = np.random.default_rng(5)
    # Soft pictures, which two ways of reducing make the same but for a grey level here and there.
    pixels = np.array(
        [
            Image.fromarray(x).resize((80, 80), Image.Resampling.BICUBIC)
            for x in rng.integers(0, 256, (4, 6, 6, 3), np.uint8)
        ]
    )
    small = np.array([Image.fromarray(x).resize((40, 40), Image.Resampling.BILINEAR) for x in pixels])
    large_net = toy(tmp_path / "large.onnx", 80, 4, rng.normal(0, 0.02, (3, 7)))
    small_net = toy(tmp_path / "small.onnx", 40, 2, rng.normal(0, 0.02, (3, 7)))
    a, b = answers(large_net, pixels), answers(small_net, small)
    order = [large_net, small_net] if large_first else [small_net, large_net]
    both = answers(together(order, tmp_path / "both.onnx"), pixels)
    np.testing.assert_allclose(both["logits"], mean_log_probability([a["logits"], b["logits"]]), atol=0.01)
    assert np.abs(both["logits"] - mean_log_probability([a["logits"], a["logits"]])).max() > 0.1
    np.testing.assert_allclose(both["embedding"], (a if large_first else b)["embedding"], atol=0.5)
    # Maps are laid on the first's grid: at a quarter and three quarters of the way between the cells' centres.
    quarters = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    if large_first:
        expected = (a["attention"] + quarters @ b["attention"] @ quarters.T) / 2
        np.testing.assert_allclose(both["attention"], expected, atol=0.5)
    else:
        assert both["attention"].shape == (4, 2, 2)
