"""Network files as they lie in the package: plain (``NAME.onnx``), or packed (``NAME.onnx.npz``) to weigh less.

A packed file holds the bytes of the network compressed, and of weights that another network beside it has as well only where
they are to be found: an ensemble repeats its members. What is read is the network to the byte, whose hash its card states.

Arrays of a packed file: ``own`` (k,) uint8, the bytes that are its own; ``of``, the name of the other network, or empty; ``runs``
(m, 3) int64, a row for each stretch that is copied: where it starts, where it starts in the other, and its length.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import ModelError

PACKED: Final = ".onnx.npz"

Bytes = NDArray[np.uint8]


def network_file(folder: Path, name: str) -> Path:
    """Where the network of a model lies in ``folder``: its packed file if there is one, else the plain one."""
    packed = folder / f"{name}{PACKED}"
    return packed if packed.is_file() else folder / f"{name}.onnx"


def read_network(path: Path) -> bytes:
    """The bytes of a network file, plain or packed.

    Raises
    ------
    ModelError
        If the file cannot be read, or the network whose weights it shares cannot.
    """
    try:
        if not path.name.endswith(PACKED):
            return path.read_bytes()
        with np.load(path, allow_pickle=False) as held:
            own, of, runs = held["own"], str(held["of"]), held["runs"]
        other = np.frombuffer(read_network(network_file(path.parent, of)), np.uint8) if of else own[:0]
        return joined(own, other, runs)
    except ModelError:
        raise
    except Exception as error:  # numpy and zlib raise many kinds for damaged files
        raise ModelError(f"{path}: cannot be loaded ({error}). Reinstall cygnet.") from error


def joined(own: Bytes, other: Bytes, runs: NDArray[np.int64]) -> bytes:
    """The network's bytes from its own and those of the other network; the inverse of ``without``."""
    pieces, at, taken = [], 0, 0
    for start, source, length in runs.tolist():
        gap = start - at
        pieces += [own[taken : taken + gap], other[source : source + length]]
        at, taken = start + length, taken + gap
    return np.concatenate([*pieces, own[taken:]]).tobytes()


def without(content: Bytes, runs: NDArray[np.int64]) -> Bytes:
    """The bytes of a network that are not among the ``runs`` that it shares."""
    mine = np.ones(len(content), bool)
    for start, _, length in runs.tolist():
        mine[start : start + length] = False
    return content[mine]
