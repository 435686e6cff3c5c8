"""The most memory that a process has held."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from subprocess import Popen

#: Seconds between two looks at a running process.
_EVERY = 0.02


def peak_mb() -> float:
    """The peak of this process alone, in MB.

    On Linux ``ru_maxrss`` will not do: a process starts with the peak of the one that started it, whatever it then holds itself.
    """
    found = _held("self")
    return _mb(resource.getrusage(resource.RUSAGE_SELF)) if found is None else found


def finished(child: Popen[bytes]) -> tuple[float, resource.struct_rusage]:
    """Wait for ``child`` to end; the peak of that process alone in MB, and what else it used."""
    peak: float | None = None
    while True:
        peak = (
            _held(str(child.pid)) or peak
        )  # the peak of a process goes with it, so that it is asked for while it runs
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return (_mb(usage) if peak is None else peak), usage
        time.sleep(_EVERY)


def _held(process: str) -> float | None:
    """The peak so far; None where the system does not say, or the process is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


def _mb(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20
