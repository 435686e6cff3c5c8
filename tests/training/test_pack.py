"""Networks packed as they ship, and read again to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="training needs the [train] extra")

from cygnet.errors import ModelError
from cygnet.models.stored import PACKED, network_file, read_network
from cygnet.training.pack import pack, shared


def network(weights: dict[str, np.ndarray]) -> bytes:
    """One that adds up its weights; not a byte of it depends on anything else."""
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    nodes = [onnx.helper.make_node("Sum", list(weights), ["y"])]
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None])
    graph = onnx.helper.make_graph(nodes, "sum", [], [value], tensors)
    return bytes(onnx.helper.make_model(graph).SerializeToString())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=1000).astype(np.float32) for _ in range(3))
    (tmp_path / "one.onnx").write_bytes(network({"a": a, "b": b}))
    (tmp_path / "both.onnx").write_bytes(network({"m0/b": b, "m1/c": c, "m0/a": a}))
    return tmp_path


def test_a_network_comes_back_to_the_byte(folder: Path) -> None:
    before = {name: (folder / f"{name}.onnx").read_bytes() for name in ("one", "both")}
    one = pack(folder, "one")
    both = pack(folder, "both", "one")
    assert not list(folder.glob("*.onnx"))
    for name, path in (("one", one), ("both", both)):
        assert path == network_file(folder, name) == folder / f"{name}{PACKED}"
        assert read_network(path) == before[name]
    # Of three weights of 4,000 bytes that hardly compress, only one is its own.
    assert both.stat().st_size < 6000 < one.stat().st_size


def test_only_equal_weights_are_shared(folder: Path) -> None:
    one, both = ((folder / f"{name}.onnx").read_bytes() for name in ("one", "both"))
    runs = shared(both, one)
    assert [length for _, _, length in runs] == [4000, 4000]
    for start, source, length in runs:
        assert both[start : start + length] == one[source : source + length]
    assert len(shared(one, network({"z": np.zeros(1000, np.float32)}))) == 0


def test_nothing_to_pack(folder: Path) -> None:
    with pytest.raises(ModelError, match="three.onnx: cannot be loaded"):
        pack(folder, "three")
    with pytest.raises(ModelError, match="none.onnx: cannot be loaded"):
        pack(folder, "both", "none")
    assert (folder / "both.onnx").is_file()
