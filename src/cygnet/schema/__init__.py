"""Names and records of the field, and how tables are read into them. Knows neither storage nor models."""

from cygnet.schema.batch import batch_problems
from cygnet.schema.columns import COLUMNS, match_columns, suggest_image_column
from cygnet.schema.diagnoses import DIAGNOSES, DIAGNOSIS_NAMES
from cygnet.schema.records import ImageRecord, is_missing, read_values
from cygnet.schema.sites import SITES

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
