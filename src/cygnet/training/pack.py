"""Packing the networks that ship, so that an installation weighs less (``cygnet.models.stored``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from cygnet.errors import ModelError
from cygnet.models.stored import PACKED, network_file, read_network, without
from cygnet.schema.files import replacing

#: Shorter weights cost more to point at than to repeat.
_WORTH = 256


def pack(folder: Path, name: str, of: str = "") -> Path:
    """Replace the plain network of a model by its packed file, without the weights it shares with the network ``of`` beside it.

    Raises
    ------
    ModelError
        If there is no plain network of this name, or no network ``of``.
    OutputError
        If the packed file cannot be written; the plain one then stays.
    """
    plain, packed = folder / f"{name}.onnx", folder / f"{name}{PACKED}"
    content = read_network(plain)
    runs = shared(content, read_network(network_file(folder, of))) if of else np.empty((0, 3), np.int64)
    own = without(np.frombuffer(content, np.uint8), runs)
    with replacing(packed) as part, part.open("wb") as stream:
        np.savez_compressed(stream, own=own, of=np.array(of), runs=runs)
    if read_network(packed) != content:
        packed.unlink()
        raise ModelError(f"{plain}: does not come back as it was when packed; it stays as it is")
    plain.unlink()
    return packed


def shared(content: bytes, other: bytes) -> NDArray[np.int64]:
    """The weights of one network that another has as well: (m, 3), start here, start there and length, in order."""
    runs, at = [], 0
    for tensor in onnx.load_from_string(content).graph.initializer:
        raw = tensor.raw_data
        if len(raw) >= _WORTH and (source := other.find(raw)) >= 0 and (start := content.find(raw, at)) >= 0:
            at = start + len(raw)
            runs.append((start, source, len(raw)))
    return np.array(runs, np.int64).reshape(-1, 3)
