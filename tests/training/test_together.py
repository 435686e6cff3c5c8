"""Two networks that answer as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from PIL import Image
from small_ham import small_ham

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models import SegmentModel
from cygnet.models.registry import SEGMENTER, find
from cygnet.models.stored import read_network
from cygnet.schema import DIAGNOSES
from cygnet.training.export import add_attention
from cygnet.training.package import data_hash
from cygnet.training.sources import Sample
from cygnet.training.together import outlines_together, package_outlines_together, together

if TYPE_CHECKING:
    from conftest import Answer

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


def outline_toy(path: Path, side: int, power: float) -> Path:
    """An outline network of ``side`` px: the share of red in each 2 x 2 cell to a power."""
    helper, float_ = onnx.helper, onnx.TensorProto.FLOAT
    constants = {
        "white": np.array(255, np.float32),
        "power": np.array(power, np.float32),
        "channel": np.array([1]),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["wide"], to=float_),
        helper.make_node("Div", ["wide", "white"], ["share"]),
        helper.make_node("Transpose", ["share"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Split", ["cells"], ["red", "green", "blue"], axis=1, num_outputs=3),
        helper.make_node("Squeeze", ["red", "channel"], ["flat"]),
        helper.make_node("Pow", ["flat", "power"], ["probability"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", side, side, 3])
    found = helper.make_tensor_value_info("probability", float_, None)
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "toy", [pixels], [found], stored)
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return path


@pytest.mark.parametrize("large_first", [True, False])
def test_outlines_are_the_mean_of_the_probabilities_on_the_finer_grid(tmp_path: Path, large_first: bool) -> None:
    rng = np.random.default_rng(6)
    # A picture that differs from side to side only: halved, and on the finer grid again, it is known by hand away from the rim.
    ramp = np.broadcast_to(np.linspace(20, 220, 80)[None, :, None], (80, 80, 3))
    pixels = np.array([ramp, ramp[:, ::-1], np.full((80, 80, 3), rng.integers(0, 256))]).astype(np.uint8)
    large, small = outline_toy(tmp_path / "large.onnx", 80, 1), outline_toy(tmp_path / "small.onnx", 40, 2)
    order = [large, small] if large_first else [small, large]
    both = answers(outlines_together(order, tmp_path / "both.onnx"), pixels)["probability"]
    assert both.shape == (3, 40, 40)
    red = pixels[..., 0].reshape(3, 40, 2, 40, 2).mean((2, 4)) / 255
    np.testing.assert_allclose(both[:, :, 2:-2], ((red + red**2) / 2)[:, :, 2:-2], atol=0.012)


def test_an_outline_network_is_no_lesion_network(tmp_path: Path) -> None:
    nets = [outline_toy(tmp_path / f"{k}.onnx", 40, 1) for k in range(2)]
    with pytest.raises(InputError, match=r"0\.onnx: has no output attention, embedding, logits"):
        together(nets, tmp_path / "both.onnx")
    with pytest.raises(InputError, match="has no output probability"):
        outlines_together([find().network, nets[0]], tmp_path / "both.onnx")


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Simulated lesions with their masks, half of them for calibration."""
    found = small_ham(tmp_path_factory.mktemp("masked"), 2, 6)
    return [replace(s, split="calibration" if k % 2 else "train") for k, s in enumerate(found)]


def test_outline_models_are_packaged_together(masked: list[Sample], tmp_path: Path) -> None:
    digest = data_hash(masked)
    shipped = find(SEGMENTER)
    known = replace(shipped, card={**shipped.card, "data": {"sha256": digest}})
    path = package_outlines_together([known, known], masked, "both", tmp_path, views=2)
    card = json.loads(path.read_text())
    assert card["input"]["views"] == 2
    assert card["storage"]["members"] == {SEGMENTER: shipped.card["storage"]["chosen"]}
    cuts = card["calibration"]["jaccard_by_threshold"]
    assert cuts[str(card["output"]["threshold"])] == max(cuts.values()) > 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both.json", "both.onnx"]
    # Of twice the same network the mean is what it says itself.
    pixels = np.random.default_rng(1).integers(0, 256, (2, 160, 160, 3), np.uint8)
    both, alone = (SegmentModel(files, views=1).predict(pixels) for files in (find("both", tmp_path), shipped))
    np.testing.assert_allclose(both, alone, atol=1e-5)
    with pytest.raises(InputError, match=r"both: only models of one view can be joined"):
        package_outlines_together([find("both", tmp_path), known], masked, "more", tmp_path)
    with pytest.raises(InputError, match=f"{SEGMENTER}: was trained on other data"):
        package_outlines_together([shipped, known], masked, "more", tmp_path)


def test_models_of_two_kinds_are_refused(tmp_path: Path, command: Callable[..., Answer]) -> None:
    args = ("train", "together", "--data", tmp_path, "--out", tmp_path / "o", "--model", find().name)
    answer = command(*args, "--model", SEGMENTER)
    assert (answer.code, answer.err) == (
        2,
        f"cygnet: {find().name} judges lesions and {SEGMENTER} outlines them; join models of one kind\n",
    )
    assert "--views 8: give one of 1, 2, 4" in command(*args, "--model", find().name, "--views", "8").err


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (find().name, ("--middle", "0.8"), "--middle 0.8: half of the views show it; say --views 2 or 4"),
        (find().name, ("--views", "4", "--middle", "1.2"), "--middle 1.2: give a share of the shorter side above 0"),
        (SEGMENTER, ("--views", "4", "--middle", "0.8"), "--middle 0.8: an outline is drawn over the whole image"),
    ],
)
def test_a_middle_that_cannot_be_shown(
    kind: str, options: tuple[str, ...], words: str, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    answer = command("train", "together", "--data", tmp_path, "--out", tmp_path / "o", "--model", kind, *options)
    assert answer.code == 2
    assert words in answer.err
