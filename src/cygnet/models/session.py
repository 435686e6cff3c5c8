"""A network file as an ONNX Runtime session, opened the same way for every model."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from cygnet.errors import ModelError
from cygnet.models.stored import read_network


def open_session(network: Path, threads: int) -> onnxruntime.InferenceSession:
    """The session of a network file, plain or packed, ``threads`` wide. It may be run from several threads at once.

    Raises
    ------
    ModelError
        If the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = read_network(network)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public base class
        raise ModelError(f"{network}: cannot be loaded ({error}). Reinstall cygnet.") from error
