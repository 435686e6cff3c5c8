"""Memory that a training run gives back is asked for again a moment later; the C library should keep it.

Large blocks are otherwise returned to the system at once, and the kernel has to clear every page of the next one: with
activations of tens of megabytes, half of a training step on a processor.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# mallopt(3) of the GNU C library.
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for reuse; whether the C library could be told so.

    Memory stays at its peak until the process ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 256 * 2**20))
    return all(tuple(mallopt(option, value) for option, value in settings))  # each is worth having alone
