"""Measure the shipped outline models on the test split and write the figures of docs/segmentation.md.

python studies/segmentation.py --data ../shared/data [--card] [--gallery gallery]

``--card`` also puts the figures into the model cards, ``--gallery`` draws the 24 worst outlines (real pictures: keep them
out of the repository). Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from threadpoolctl import threadpool_limits

from cygnet.evaluation import metrics
from cygnet.evaluation.masks import dice, jaccard
from cygnet.imaging import decode
from cygnet.imaging.masks import MaskFlag, clean, enlarge
from cygnet.imaging.overlay import outlined
from cygnet.models import ModelFiles, SegmentModel, find_outliner
from cygnet.models.registry import OUTLINERS, PREFERRED
from cygnet.report.figures import write_figures
from cygnet.training.duplicates import without_leaks
from cygnet.training.package import data_hash
from cygnet.training.segment_masks import truth
from cygnet.training.sources import Sample, read_sources

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/segmentation.py"
#: An outline below this has failed (ISIC 2018 Task 1).
LEAST = 0.65
#: Images of the large rendering; the others use all.
LARGE = 200
BATCH = 16
#: Views that each model is measured with: one, and what was chosen on the calibration split.
VIEWS = {"fast": (1, 8), "accurate": (1, 4)}

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Look = Callable[[Sample], tuple[bytes, Mask]]


@dataclass(frozen=True, slots=True)
class Scored:
    """Test images and what their outlines are worth; rows in the order of ``samples``."""

    samples: list[Sample]
    jaccard: Floats
    dice: Floats
    confidence: Floats
    flags: list[tuple[MaskFlag, ...]]

    @property
    def strict(self) -> Floats:
        """Threshold Jaccard."""
        return np.where(self.jaccard < LEAST, 0.0, self.jaccard)

    def only(self, wanted: Sequence[int]) -> Scored:
        """Some of the rows."""
        i = list(wanted)
        return Scored(
            [self.samples[k] for k in i], self.jaccard[i], self.dice[i], self.confidence[i], [self.flags[k] for k in i]
        )


def main() -> None:
    """Run every measurement and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "segmentation.md")
    parser.add_argument("--card", action="store_true")
    parser.add_argument("--gallery", type=Path)
    args = parser.parse_args()
    samples, _ = without_leaks([s for s in read_sources(args.data) if s.source == "ham10000"])
    models = {name: find_outliner(name) for name in OUTLINERS}
    model = SegmentModel(models[PREFERRED], threads=2)
    if any(data_hash(samples) != files.card["data"]["sha256"] for files in models.values()):
        print("warning: these data or splits are not those that the models were trained with")
    test = [s for s in samples if s.split == "test"]
    threadpool_limits(limits=1, user_api="blas")  # threads cost more than the small products of one outline
    found = {
        (name, views): score(SegmentModel(models[name], threads=2, views=views), test, as_it_is)
        for name, numbers in VIEWS.items()
        for views in numbers
    }
    whole = found[PREFERRED, model.views]
    text = "\n".join(
        [
            *head(model, whole),
            *by_model(found),
            *by_diagnosis(whole),
            *by_flag(whole),
            *by_confidence(whole),
            *looks(model, whole),
        ]
    )
    write_figures(args.page, COMMAND, text)
    print(text)
    if args.card:
        for name, numbers in VIEWS.items():
            write_metrics(models[name], {views: found[name, views] for views in numbers})
    if args.gallery:
        gallery(model, whole, args.gallery)


def as_it_is(sample: Sample) -> tuple[bytes, Mask]:
    """The file, and its mask at 600 x 450."""
    return sample.path.read_bytes(), truth(sample)


def square(sample: Sample) -> tuple[bytes, Mask]:
    """The centre square at 224 px, and that part of the mask."""
    assert sample.sharp_path is not None
    return sample.sharp_path.read_bytes(), truth(sample)[:, 75:525]


def squashed(sample: Sample) -> tuple[bytes, Mask]:
    """The whole picture squashed to a square, as archives distribute it."""
    return _jpeg(_picture(sample).resize((256, 256), Image.Resampling.BICUBIC), 85), truth(sample)


def upscaled(sample: Sample) -> tuple[bytes, Mask]:
    """3,000 x 2,250 pixels."""
    mask = Image.fromarray(truth(sample)).resize((3000, 2250), Image.Resampling.NEAREST)
    return _jpeg(_picture(sample).resize((3000, 2250), Image.Resampling.BICUBIC), 90), np.asarray(mask)


def degraded(sample: Sample) -> tuple[bytes, Mask]:
    """Blurred and strongly compressed."""
    return _jpeg(_picture(sample).filter(ImageFilter.GaussianBlur(1.2)), 25), truth(sample)


def darkened(sample: Sample) -> tuple[bytes, Mask]:
    """Underexposed by one stop, with a colour cast."""
    pixels = np.asarray(_picture(sample), np.float32) * np.array([0.55, 0.5, 0.45], np.float32)
    return _jpeg(Image.fromarray(pixels.astype(np.uint8)), 90), truth(sample)


def _picture(sample: Sample) -> Image.Image:
    with Image.open(sample.path) as image:
        return image.convert("RGB")


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def score(model: SegmentModel, samples: Sequence[Sample], look: Look) -> Scored:
    """Outline every image as ``cygnet segment`` does, at the mask's size, and compare."""
    overlap: list[float] = []
    halves: list[float] = []
    confidence: list[float] = []
    flags: list[tuple[MaskFlag, ...]] = []
    for start in range(0, len(samples), BATCH):
        pairs = [look(s) for s in samples[start : start + BATCH]]
        probability = model.predict(np.stack([decode(data, model.size).pixels for data, _ in pairs]))
        cleaned = clean(probability, model.threshold)
        for i, (_, wanted) in enumerate(pairs):
            made = enlarge(probability[i], cleaned.masks[i], wanted.shape[1], wanted.shape[0], model.threshold)
            overlap.append(jaccard(made, wanted))
            halves.append(dice(made, wanted))
            flags.append(cleaned.flags(i))
        confidence.extend(cleaned.confidence.tolist())
    return Scored(list(samples), np.array(overlap), np.array(halves), np.array(confidence), flags)


def overall(found: Scored) -> list[dict[str, Any]]:
    """The headline metrics with intervals over lesions."""
    named = (
        ("mean Jaccard", found.jaccard),
        ("mean threshold Jaccard (below 0.65 counts 0)", found.strict),
        ("mean Dice", found.dice),
        ("share of images below 0.65", (found.jaccard < LEAST).astype(float)),
    )
    return [_row(name, values, found.samples) for name, values in named]


def _row(name: str, values: Floats, samples: Sequence[Sample]) -> dict[str, Any]:
    low, high = _interval(values, samples)
    figures = {"value": round(float(values.mean()), 4), "low": round(low, 4), "high": round(high, 4)}
    return {"name": name, **figures, "n": len(values), "data": "ham10000, test split, masks at 600 x 450"}


def _interval(values: Floats, samples: Sequence[Sample]) -> tuple[float, float]:
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]))
    return metrics.interval((weights @ values) / weights.sum(1))


def _cell(values: Floats, samples: Sequence[Sample]) -> str:
    low, high = _interval(values, samples)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def head(model: SegmentModel, found: Scored) -> Iterator[str]:
    """What was measured, and the headline."""
    lesions = len({s.group for s in found.samples})
    yield "## Figures\n"
    yield f"Model `{model.files.name}`, sha256 `{model.files.sha256[:16]}`, threshold {model.threshold}, {model.views} views. HAM10000's test fifth, by"
    yield f"lesion: {len(found.samples)} images of {lesions} lesions that neither training nor any choice used. Images of 200 x 150 pixels,"
    yield "outlines compared with the masks at 600 x 450. Intervals are 95 %, from 2,000 bootstrap replicates over lesions.\n"
    yield "| metric | value | 95 % interval | winners of ISIC 2018 Task 1 |\n|---|--:|---|--:|"
    theirs = {"mean Jaccard": "0.838", "mean threshold Jaccard (below 0.65 counts 0)": "0.802"}
    for r in overall(found):
        yield f"| {r['name']} | {r['value']:.3f} | {r['low']:.3f} to {r['high']:.3f} | {theirs.get(r['name'], '')} |"
    yield "\nThe winners' figures are on the challenge's own 1,000 test images, whose masks were made by several methods; these are on"
    yield "HAM10000, whose masks were made in one way. The two sets differ, and the figures cannot be compared as ranks.\n"


def by_model(found: Mapping[tuple[str, int], Scored]) -> Iterator[str]:
    """The same images outlined by either model and from several views, paired with the fast one and one view."""
    fast = found["fast", 1]
    yield "### By `--model` and `--views`\n"
    yield "Differences, in brackets their intervals, are from the fast model with one view on the same images.\n"
    yield "| model | views | mean Jaccard | difference | mean threshold Jaccard | difference | mean Dice | below 0.65 |"
    yield "|---|--:|---|---|---|---|--:|--:|"
    for (name, views), one in found.items():
        apart = [
            "" if one is fast else _change(now - before, fast.samples)
            for now, before in ((one.jaccard, fast.jaccard), (one.strict, fast.strict))
        ]
        whole, strict = (_cell(values, one.samples) for values in (one.jaccard, one.strict))
        failed = float((one.jaccard < LEAST).mean())
        yield f"| {name} | {views} | {whole} | {apart[0]} | {strict} | {apart[1]} | {one.dice.mean():.3f} | {failed:.3f} |"
    yield ""


def _change(values: Floats, samples: Sequence[Sample]) -> str:
    low, high = _interval(values, samples)
    return f"{values.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def write_metrics(files: ModelFiles, found: Mapping[int, Scored]) -> None:
    """Put the figures, by number of views, into the model's card."""
    path = ROOT / "src/cygnet/models/data" / f"{files.name}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["metrics"] = [
        row if views == 1 else {**row, "name": f"{row['name']}, {views} views"}
        for views, one in found.items()
        for row in overall(one)
    ]
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def by_diagnosis(found: Scored) -> Iterator[str]:
    """Overlap by diagnosis."""
    groups = sorted({s.stratum for s in found.samples})
    yield from _table(
        "By diagnosis", "diagnosis", [(g, [s.stratum == g for s in found.samples]) for g in groups], found
    )


def by_flag(found: Scored) -> Iterator[str]:
    """Overlap by what Cygnet itself says of the outline."""
    parts = [(str(flag).replace("_", " "), [flag in f for f in found.flags]) for flag in MaskFlag]
    yield from _table("By flag", "flag", [*parts, ("no flag", [not f for f in found.flags])], found)


def by_confidence(found: Scored) -> Iterator[str]:
    """Overlap by stated confidence."""
    edges = [0, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0001]
    parts = [
        (f"{a:.2f} to {min(b, 1):.2f}", ((found.confidence >= a) & (found.confidence < b)).tolist())
        for a, b in pairwise(edges)
    ]
    yield from _table("By stated confidence", "confidence", parts, found)
    order = [np.argsort(np.argsort(v)).astype(np.float64) for v in (found.confidence, found.jaccard)]
    yield f"Rank correlation of confidence and Jaccard index: {np.corrcoef(order[0], order[1])[0, 1]:.3f}.\n"


def _table(title: str, column: str, parts: Sequence[tuple[str, list[bool]]], found: Scored) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"| {column} | images | mean Jaccard | mean threshold Jaccard |\n|---|--:|--:|--:|"
    for name, mine in parts:
        part = found.only(np.flatnonzero(mine).tolist())
        if not part.samples:
            yield f"| {name} | 0 | | |"
        elif len({s.group for s in part.samples}) < 10:
            yield f"| {name} | {len(part.samples)} | {part.jaccard.mean():.3f} | {part.strict.mean():.3f} |"
        else:
            yield (
                f"| {name} | {len(part.samples)} | {_cell(part.jaccard, part.samples)} | "
                f"{_cell(part.strict, part.samples)} |"
            )
    yield ""


def looks(model: SegmentModel, whole: Scored) -> Iterator[str]:
    """The same lesions as other archives and cameras would show them, paired with the files as they are."""
    sharp = [i for i, s in enumerate(whole.samples) if s.sharp_path is not None]
    every = list(range(len(whole.samples)))
    spaced = every[:: max(1, len(every) // LARGE)][:LARGE]
    yield "### The same images in other looks\n"
    yield "| look | images | mean Jaccard | against the file as it is, same images |\n|---|--:|--:|--:|"
    for name, look, which in (
        ("centre square at 224 px", square, sharp),
        ("squashed to 256 x 256", squashed, every),
        ("enlarged to 3,000 x 2,250", upscaled, spaced),
        ("blurred, JPEG quality 25", degraded, every),
        ("one stop darker, with a cast", darkened, every),
    ):
        part = whole.only(which)
        found = score(model, part.samples, look)
        low, high = _interval(found.jaccard - part.jaccard, part.samples)
        change = float((found.jaccard - part.jaccard).mean())
        yield (
            f"| {name} | {len(which)} | {_cell(found.jaccard, part.samples)} | {change:+.3f} ({low:+.3f} to {high:+.3f}) |"
        )
    yield "\nThe centre square leaves out the sides of the picture, so that its lesions are cut more often and cover more of it.\n"


def gallery(model: SegmentModel, found: Scored, folder: Path, n: int = 24) -> None:
    """The ``n`` worst outlines: the expert's beside ours, six to a row, worst first, and a list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    worst = np.argsort(found.jaccard)[:n]
    width, height, across = 300, 225, 6
    sheet = Image.new("RGB", (across * width, -(-n // across) * 2 * height))
    lines = []
    for place, i in enumerate(worst):
        sample = found.samples[i]
        picture = _picture(sample).resize((width, height), Image.Resampling.BICUBIC)
        expert = np.asarray(Image.fromarray(truth(sample)).resize((width, height), Image.Resampling.NEAREST))
        probability = model.predict(decode(sample.path.read_bytes(), model.size).pixels[None])
        mask = clean(probability, model.threshold).masks[0]
        ours = enlarge(probability[0], mask, width, height, model.threshold)
        row, column = divmod(place, across)
        sheet.paste(outlined(picture, expert), (column * width, 2 * row * height))
        sheet.paste(outlined(picture, ours), (column * width, (2 * row + 1) * height))
        lines.append(
            f"{place + 1},{sample.image_id},{sample.stratum},{found.jaccard[i]:.3f},{found.confidence[i]:.3f},"
            f"{expert.mean():.3f},{ours.mean():.3f},{' '.join(found.flags[i])}"
        )
    sheet.save(folder / "segment-worst.png")
    head_line = "place,image,diagnosis,jaccard,confidence,expert_area,our_area,flags"
    (folder / "segment-worst.csv").write_text("\n".join([head_line, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
