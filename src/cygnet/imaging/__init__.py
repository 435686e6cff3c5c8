"""Bytes to pixels and back: decode, quality, colour, measurements, artefacts. Knows nothing of patients."""

from cygnet.imaging.artefacts import Artefacts, artefacts
from cygnet.imaging.comparable import MEASUREMENTS, measure_stack
from cygnet.imaging.decode import Decoded, decode, middles
from cygnet.imaging.framing import Framing, framing
from cygnet.imaging.measure import Measurements, measure
from cygnet.imaging.quality import inspect
from cygnet.imaging.reasons import RETAKE, Finding, Reason
from cygnet.imaging.scene import Scene, scene

__all__ = [
    "MEASUREMENTS",
    "RETAKE",
    "Artefacts",
    "Decoded",
    "Finding",
    "Framing",
    "Measurements",
    "Reason",
    "Scene",
    "artefacts",
    "decode",
    "framing",
    "inspect",
    "measure",
    "measure_stack",
    "middles",
    "scene",
]
