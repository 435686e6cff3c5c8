"""Trained weights to ONNX: float32 for reference, 8 bits for the package."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from cygnet.errors import ModelError
from cygnet.models.stored import read_network

#: Tensors with fewer values keep 32 bits; they weigh nothing.
_SMALL = 1024


def to_onnx(model: nn.Module, out: Path, size: int, outputs: Sequence[str]) -> Path:
    """Write a float32 network to ``out``.

    Input ``pixels`` (n, size, size, 3) uint8 RGB; its outputs get the names ``outputs``.
    """
    model.eval()
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            input_names=["pixels"],
            output_names=list(outputs),
            dynamic_shapes={"pixels": {0: torch.export.Dim("n", min=1, max=4096)}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    onnx.save_model(without_origin(program.model_proto), out)
    return out


def without_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` without what the exporter says of the source files and folders it came from; changed in place."""
    for graph in (model.graph, *model.functions):
        del graph.metadata_props[:]
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in graph.value_info:
            del value.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.metadata_props[:]
    return model


def versions(full: Path, run: Path, batches: Sequence[NDArray[np.uint8]]) -> dict[str, Path]:
    """How a network may be stored, the smallest and fastest first; the last changes nothing but the weights' rounding."""
    return {
        "int8": quantise(full, run / "int8.onnx", batches),
        "int8 in the second half, float16 weights before": quantise(full, run / "late8.onnx", batches, late=True),
        "float16 weights, float32 arithmetic": halve(full, run / "float16.onnx"),
    }


def quantise(source: Path, out: Path, batches: Sequence[NDArray[np.uint8]], *, late: bool = False) -> Path:
    """Write an 8-bit version of ``source`` to ``out``, ranges taken from ``batches`` of pixels.

    ``late`` quantises only what bears it best and weighs most: the full (not depthwise) convolutions of the second half
    of the network. The rest stays float32, its weights stored in 16 bits.

    Weights have 7 bits (``reduce_range``): with 8, processors without VNNI instructions saturate 16-bit sums, and the
    same file would give other numbers there.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        chosen = {"nodes_to_quantize": _late(prepared)} if late else {}
        quantize_static(
            str(prepared),
            str(out),
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            **chosen,
        )
    return halve(out, out) if late else out


def _late(network: Path) -> list[str]:
    """Names of the full convolutions in the second half of a network."""
    convolutions = [node for node in onnx.load(str(network)).graph.node if node.op_type == "Conv"]
    second = convolutions[len(convolutions) // 2 :]
    return [n.name for n in second if not any(a.name == "group" and a.i > 1 for a in n.attribute)]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Sequence[NDArray[np.uint8]]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(batches)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def halve(source: Path, out: Path) -> Path:
    """Write ``source`` to ``out`` with its weights stored in 16 bits, to be widened once when the file is loaded.

    Computation stays float32: the file is half the size and the answers differ by rounding of the weights only.
    """
    model = onnx.load(str(source))
    widened: list[onnx.NodeProto] = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _SMALL:
            continue
        name, half = tensor.name, onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_half"))
        widened.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]
    onnx.save_model(model, str(out))
    return out


def add_attention(source: Path, out: Path, diagnosis: int) -> Path:
    """Write a stored lesion network with the output ``attention`` of ``network.Explained``, which ``source`` lacks, to ``out``.

    The last feature maps are what the mean that gives ``embedding`` is taken of; the head's weights are in the file.

    Raises
    ------
    ModelError
        If the network has no pooled and linear head to read them from.
    """
    model = onnx.load_from_string(read_network(source))
    made = {name: node for node in model.graph.node for name in node.output}
    pool, head = made.get("embedding"), made.get("logits")
    if pool is None or head is None or (pool.op_type, head.op_type) != ("ReduceMean", "Gemm"):
        raise ModelError(f"{source}: no pooled and linear head; export the network again from its weights")
    weight = _constant(model, made, head.input[1])
    contrast = (weight[diagnosis] - weight.mean(axis=0))[:, None]
    model.graph.initializer.extend(
        [
            onnx.numpy_helper.from_array(contrast.astype(np.float32), "attention_weight"),
            onnx.numpy_helper.from_array(np.array([3], np.int64), "attention_axis"),
        ]
    )
    model.graph.node.extend(
        [
            onnx.helper.make_node("Transpose", [pool.input[0]], ["attention_maps"], perm=[0, 2, 3, 1]),
            onnx.helper.make_node("MatMul", ["attention_maps", "attention_weight"], ["attention_deep"]),
            onnx.helper.make_node("Squeeze", ["attention_deep", "attention_axis"], ["attention"]),
        ]
    )
    grid = onnx.helper.make_tensor_value_info("attention", onnx.TensorProto.FLOAT, ["n", "g", "g"])
    model.graph.output.append(grid)
    onnx.checker.check_model(model)
    onnx.save_model(model, str(out))
    return out


def _constant(model: onnx.ModelProto, made: Mapping[str, onnx.NodeProto], name: str) -> NDArray[np.float32]:
    """A weight of a stored network, widened if it is kept in 16 bits."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    if name not in stored:
        name = made[name].input[0]
    return np.asarray(onnx.numpy_helper.to_array(stored[name]), np.float32)
