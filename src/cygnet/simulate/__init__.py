"""Patients that never were: dermoscopic images drawn from a seed, for demonstrations, tests and load tests.

A patient's nevi share a skin and a signature, and one lesion may stand out. What is measured on these images says
nothing about accuracy on people.
"""

from cygnet.simulate.artefacts import ARTEFACTS
from cygnet.simulate.files import write_patients
from cygnet.simulate.patient import simulate_lesion, simulate_patient
from cygnet.simulate.records import (
    NOTICE,
    SITES,
    ExactMeasurements,
    Pattern,
    SimulatedLesion,
    SimulatedPatient,
)

__all__ = [
    "ARTEFACTS",
    "NOTICE",
    "SITES",
    "ExactMeasurements",
    "Pattern",
    "SimulatedLesion",
    "SimulatedPatient",
    "simulate_lesion",
    "simulate_patient",
    "write_patients",
]
