"""What ``cygnet segment`` writes beside the masks: a record of every image, as JSON and as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TextIO

from cygnet.imaging import Measurements
from cygnet.triage import Outlined

_NESTED = ("artefacts", "measurements")
#: Of the measurements, what a table has no room for or has already.
_SAID = ("shares", "undefined", "area_share")
#: Columns of segmentation.csv, in order; those of measurements are empty unless they were asked for.
COLUMNS = (
    *(field.name for field in fields(Outlined) if field.name not in _NESTED),
    "artefacts",
    "scale",
    *(field.name for field in fields(Measurements) if field.name not in _SAID),
)


class OutlineJson:
    """Records as one JSON document, ``head`` first; images are written as they come."""

    def __init__(self, out: TextIO, head: Mapping[str, Any]) -> None:
        self._out, self._first = out, True
        out.write(json.dumps(head, indent=1, ensure_ascii=False)[:-2] + ',\n "images": [')

    def add(self, made: Outlined) -> None:
        """Write one image."""
        self._out.write("\n  " if self._first else ",\n  ")
        self._first = False
        self._out.write(json.dumps(asdict(made), ensure_ascii=False, allow_nan=False))

    def close(self) -> None:
        """Write the end of the document."""
        self._out.write("\n ]\n}\n")


class OutlineCsv:
    """Records as CSV, one row an image; flags and colours stand in one cell, divided by spaces and semicolons."""

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        self._writer.writeheader()

    def add(self, made: Outlined) -> None:
        """Write one image."""
        row = {k: v for k, v in asdict(made).items() if k not in _NESTED} | {"flags": " ".join(made.flags)}
        if made.artefacts:
            row["artefacts"] = " ".join(made.artefacts["flags"])
        if made.measurements:
            named = {k: v for k, v in made.measurements.items() if k not in _SAID}
            row |= named | {"colours": "; ".join(made.measurements["colours"])}
        self._writer.writerow(row)
