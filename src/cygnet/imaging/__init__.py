"""Bytes to pixels and back: decode, quality, colour, measurements. Knows nothing of patients."""

from cygnet.imaging.coarse import MEASUREMENTS, Coarse, measure, outline, to_lab
from cygnet.imaging.decode import Decoded, decode
from cygnet.imaging.quality import inspect
from cygnet.imaging.reasons import RETAKE, Finding, Reason

__all__ = [
    "MEASUREMENTS",
    "RETAKE",
    "Coarse",
    "Decoded",
    "Finding",
    "Reason",
    "decode",
    "inspect",
    "measure",
    "outline",
    "to_lab",
]
