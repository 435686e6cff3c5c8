"""Fit how much each measurement varies among nevi, and put it into the shipped lesion model's card.

python studies/spread.py --data ../shared/data [--model lesion-1]

To be run when the definition of a measurement or the source of the masks changes; the network stays as it is. Nevi of the
training split only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from cygnet.models import LesionModel, find_lesion
from cygnet.report import card_markdown
from cygnet.schema import ImageRecord
from cygnet.training.duplicates import without_leaks
from cygnet.training.package import measurement_spread
from cygnet.training.sources import read_sources
from cygnet.triage import examine

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure the training nevi as ``cygnet rank`` would, and write the card and docs/model-card.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="by default the most accurate lesion model")
    args = parser.parse_args()
    data: Path = args.data
    samples, _ = without_leaks(read_sources(data))
    nevi = [s for s in samples if s.split == "train" and s.targets == {"nv"}]
    model = LesionModel(find_lesion(args.model))
    seen = examine([ImageRecord(s.image_id, s.path, s.group, origin="study") for s in nevi], model)
    looks = [e.look for e in seen if e.look is not None and e.look.outline is not None]
    measured = np.stack([look.measurements for look in looks]).astype(np.float64)
    card = dict(model.card)
    card["reference"] = {**card["reference"], "measurement_spread": measurement_spread(measured)}
    path = model.files.network.with_suffix(".json")
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    if model.files.name == find_lesion().name:
        (ROOT / "docs" / "model-card.md").write_text(card_markdown(card), encoding="utf-8")
    print(f"{len(measured)} nevi: {card['reference']['measurement_spread']}")


if __name__ == "__main__":
    main()
