"""Names and records of the field, and how tables are read into them. Knows neither storage nor models."""

from cygnet.schema.batch import batch_problems
from cygnet.schema.diagnoses import DIAGNOSES, DIAGNOSIS_NAMES
from cygnet.schema.records import (
    COLUMNS,
    SITES,
    ImageRecord,
    is_missing,
    match_columns,
    read_values,
    suggest_image_column,
)

__all__ = [
    "COLUMNS",
    "DIAGNOSES",
    "DIAGNOSIS_NAMES",
    "SITES",
    "ImageRecord",
    "batch_problems",
    "is_missing",
    "match_columns",
    "read_values",
    "suggest_image_column",
]
