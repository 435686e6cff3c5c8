"""Where human readers, their votes pooled, are still right and the model is not: docs/readers.md.

python studies/readers.py --data ../shared/data [--model accurate] [--gallery gallery]

On the HAM10000 test split. ``--gallery`` draws the lesions (real pictures: keep them out of the repository). Nothing is fitted or chosen
here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import looks
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.stats import rankdata

from cygnet.evaluation import metrics, table
from cygnet.models import LesionModel, find_lesion
from cygnet.report.figures import write_figures
from cygnet.training.sources import Sample, read_sources
from cygnet.triage import Yardstick

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/readers.py"
SHOWN = 12
Floats = NDArray[np.float64]


def main() -> None:
    """Compare, write the page, draw the gallery."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "readers.md")
    parser.add_argument("--gallery", type=Path)
    args = parser.parse_args()
    facts = votes(args.data)
    samples = [s for s in read_sources(args.data) if s.source == "ham10000" and s.split == "test"]
    samples = [s for s in samples if s.image_id in facts]
    model = LesionModel(find_lesion(args.model))
    score = looks.answers(samples, looks.whole, model, Yardstick.from_model(model)).melanoma
    read = np.array([facts[s.image_id]["share"] for s in samples])
    lines = [*overall(samples, score, read, model.files.name), *apart(samples, score, read, facts, args.gallery)]
    text = "\n".join(lines)
    print(text)
    write_figures(args.page, COMMAND, text)


def votes(data: Path) -> dict[str, dict[str, object]]:
    """By image: what is known of it, and the share of dermatologists who said melanoma."""
    read = table.read(data / "tables" / "ham10000_readers_derms.csv")
    counts = [c for c in read.columns if c.lower() in table.CLASSES]
    asked = pl.sum_horizontal(pl.col(c).cast(pl.Float64) for c in counts)
    read = read.select("isic_id", asked.alias("asked"), (pl.col("MEL").cast(pl.Float64) / asked).alias("share"))
    known = table.read(data / "ham10000" / "manifest.csv")
    both = known.join(read.filter(pl.col("asked") > 0), on="isic_id")
    return {row["isic_id"]: row for row in both.iter_rows(named=True)}


def overall(samples: Sequence[Sample], score: Floats, read: Floats, name: str) -> Iterator[str]:
    """AUC of both, and of the mean of their ranks."""
    truth = np.array([s.melanoma for s in samples])
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]))
    both = rankdata(score) + rankdata(read)
    yield f"| score | melanoma AUC, {len(samples):,} images, {truth.sum()} melanomas |"
    yield "|---|---|"
    found = [looks.auc_replicates(values, truth, weights) for values in (score, read, both)]
    for label, values in zip((f"`{name}`", "dermatologists' votes", "mean of the ranks of both"), found, strict=True):
        yield f"| {label} | {looks.stated(values)} |"
    yield f"\nBoth together minus the model alone: {looks.moved(found[2], found[0])}.\n"


def apart(
    samples: Sequence[Sample], score: Floats, read: Floats, facts: dict[str, dict[str, object]], folder: Path | None
) -> Iterator[str]:
    """The lesions on which readers are furthest ahead of the model, one image each."""
    place = [100 * rankdata(values) / len(values) for values in (score, read)]
    truth = np.array([s.melanoma for s in samples])
    ahead = np.where(truth, place[1] - place[0], place[0] - place[1])
    for title, mine in (
        ("Melanomas that readers see and the model does not", truth),
        ("False alarms of the model", ~truth),
    ):
        chosen: list[int] = []
        for k in np.argsort(-np.where(mine, ahead, -np.inf), kind="stable"):
            if samples[k].group not in {samples[c].group for c in chosen}:
                chosen.append(int(k))
            if len(chosen) == SHOWN:
                break
        yield f"### {title}\n"
        yield "| | image | diagnosis, confirmed by | age, sex, site | votes for melanoma | place among all: readers, model |"
        yield "|--:|---|---|---|--:|---|"
        for number, k in enumerate(chosen, 1):
            row = facts[samples[k].image_id]
            person = ", ".join(
                str(row[c]) for c in ("age", "sex", "localization") if row[c] not in (None, "", "unknown")
            )
            yield (
                f"| {number} | {samples[k].image_id} | {row['dx']}, {row['dx_type']} | {person} | {read[k]:.0%} of "
                f"{row['asked']:.0f} | {place[1][k]:.0f} %, {place[0][k]:.0f} % |"
            )
        yield ""
        if folder:
            draw(
                [samples[k].path for k in chosen], folder / f"readers-{'melanomas' if mine is truth else 'alarms'}.png"
            )


def draw(files: Sequence[Path], out: Path, across: int = 4, width: int = 400, height: int = 300) -> None:
    """The pictures, numbered, on one sheet."""
    sheet = Image.new("RGB", (across * width, -(-len(files) // across) * height))
    for number, file in enumerate(files):
        image = Image.open(file).convert("RGB").resize((width, height))
        ImageDraw.Draw(image).text((6, 6), str(number + 1), fill="white", stroke_width=2, stroke_fill="black")
        sheet.paste(image, (number % across * width, number // across * height))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)


if __name__ == "__main__":
    main()
