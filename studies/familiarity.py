"""Fit again what a packaged lesion model takes for dermoscopy, and measure what that changes.

    python studies/familiarity.py --data ../shared/data [--model NAME]

writes the model's statistics (.npz) and card anew and the figures between the markers of docs/gate.md. Axes, looks and limits come
from training and calibration images; the test split is only counted at the end.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging import decode, inspect, scene
from cygnet.imaging.look import look
from cygnet.models import LesionModel
from cygnet.models.lesion import Looks, strangeness
from cygnet.models.registry import DEFAULT, FOLDER, ModelFiles, find
from cygnet.report.figures import write_figures
from cygnet.schema.files import file_sha256
from cygnet.simulate.pictures import KINDS, picture
from cygnet.training import package
from cygnet.training.duplicates import without_leaks
from cygnet.training.package import Features
from cygnet.training.sources import Sample, read_sources
from cygnet.triage.outlines import default_segmenter, draw

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gate.md"
SEEDS = range(20)
Stack = NDArray[np.uint8]


def main() -> None:
    """Fit, measure, write."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True)
    ask.add_argument("--model", default=DEFAULT)
    ask.add_argument("--measure-only", action="store_true", help="leave the model as it is")
    ask.add_argument("--before", type=Path, help="statistics of before, to compare with")
    args = ask.parse_args()
    files = find(args.model)
    samples, _ = without_leaks(read_sources(args.data))
    size = int(files.card["input"]["size"])
    before = LesionModel(replace(files, statistics=args.before) if args.before else files)
    by = {split: [s for s in samples if s.split == split] for split in ("train", "calibration", "test")}
    if not args.measure_only:
        train, held = (seen(by[name], before) for name in ("train", "calibration"))
        lines = list(left_out(train, held))
        rewrite(files, package.fit_familiarity(train, held))
    else:
        lines = []
    after = LesionModel(find(args.model))
    lines += list(refusals(by["test"], before, after, size)) + list(pictures(before, after))
    write_figures(PAGE, "python studies/familiarity.py", "\n".join(lines))


def seen(samples: Sequence[Sample], model: LesionModel, batch: int = 32) -> Features:
    """As ``package.extract``, without outlines and measurements, which familiarity does not need."""
    logits, embedding, looks = [], [], []
    for start in range(0, len(samples), batch):
        pixels = np.stack([decode(s.path.read_bytes(), model.size).pixels for s in samples[start : start + batch]])
        found = model.predict(pixels)
        logits.append(found.logits)
        embedding.append(found.embedding)
        looks.append(look(pixels))
    none = np.empty((len(samples), 0), np.float32)
    return Features(list(samples), np.concatenate(logits), np.concatenate(embedding), none, np.concatenate(looks))


def rewrite(files: ModelFiles, statistics: dict[str, NDArray[np.float32] | float]) -> None:
    """Put new statistics into the package, and their hash into every card that names them."""
    np.savez(files.statistics, **statistics)  # type: ignore[arg-type]
    for path in FOLDER.glob("*.json"):  # models with the same embedding share their statistics
        card = json.loads(path.read_text(encoding="utf-8"))
        stated = card["files"].get("statistics", {})
        if stated.get("name") == files.statistics.name:
            stated |= {"sha256": file_sha256(files.statistics), "bytes": files.statistics.stat().st_size}
            path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def left_out(train: Features, held: Features) -> Iterator[str]:
    """How much of each source is refused by its look when it was not among the sources that looks and limits come from."""
    yield "| source left out | of its images refused |\n|---|--:|"
    whole = package.fit_familiarity(train, held)
    axes = [np.asarray(whole[k], np.float32) for k in ("centre", "axes", "scale")]
    for name in sorted({s.source for s in train.samples}):
        rest, own = (tuple(only(f, name, keep) for f in (train, held)) for keep in (False, True))
        looks = package.fit_looks(*rest)
        near = [distance(f, axes, float(whole["rest"]), looks) for f in (rest[1], *own)]
        limit = package.largest(near[0], rest[1].samples, 0.995)
        yield f"| {name} | {np.mean(np.concatenate(near[1:]) > limit):.1%} |"
    yield ""


def distance(found: Features, axes: Sequence[NDArray[np.float32]], rest: float, looks: Looks) -> NDArray[np.float32]:
    """Both distances together."""
    inside = strangeness(found.embedding, axes[0], axes[1], axes[2], rest)
    return np.asarray(np.hypot(inside, looks.strangeness(found.looks)), np.float32)


def only(found: Features, source: str, keep: bool) -> Features:
    """The features of one source, or of all others."""
    mine = np.array([(s.source == source) == keep for s in found.samples])
    samples = [s for s, m in zip(found.samples, mine, strict=True) if m]
    return Features(samples, *(a[mine] for a in (found.logits, found.embedding, found.measurements, found.looks)))


def refused(pixels: Stack, *models: LesionModel) -> list[NDArray[np.bool_]]:
    """Whether each image is refused, as not dermoscopy or for its quality, by each model."""
    made = []
    for start in range(0, len(pixels), 16):
        part = pixels[start : start + 16]
        bad = [any(f.refuses for f in found) for found in inspect(scene(part, draw(part, default_segmenter()).masks))]
        made.append([np.array(bad) | (model.predict(part).strangeness > 1) for model in models])
    return [np.concatenate(one) for one in zip(*made, strict=True)]


def refusals(test: Sequence[Sample], before: LesionModel, after: LesionModel, size: int) -> Iterator[str]:
    """Real dermoscopy of the test split."""
    yield "| dermoscopy, test split | images | refused before | refused now |\n|---|--:|--:|--:|"
    for source in sorted({s.source for s in test}):
        mine = [s for s in test if s.source == source]
        pixels = np.stack([decode(s.path.read_bytes(), size).pixels for s in mine])
        old, new = (int(each.sum()) for each in refused(pixels, before, after))
        yield f"| {source} | {len(mine)} | {old} ({old / len(mine):.1%}) | {new} ({new / len(mine):.1%}) |"
    yield ""


def pictures(before: LesionModel, after: LesionModel) -> Iterator[str]:
    """Pictures that are something else: drawn ones by kind, and scikit-image's samples."""
    import skimage

    yield "| no dermoscopy | pictures | refused before | refused now | passed |\n|---|--:|--:|--:|---|"
    sets = {f"{kind} (drawn)": {f"{seed}": picture(kind, seed) for seed in SEEDS} for kind in KINDS}
    samples = sorted(p for p in (Path(skimage.__file__).parent / "data").iterdir() if p.suffix in (".png", ".jpg"))
    sets["scikit-image's samples"] = {p.stem: Image.open(p).convert("RGB") for p in samples}
    for name, images in sets.items():
        kept = {key: image for key, image in images.items() if min(image.size) >= 96}
        pixels = np.stack([_decoded(image, after.size) for image in kept.values()])
        old, new = refused(pixels, before, after)
        passed = [key for key, bad in zip(kept, new, strict=True) if not bad]
        shown = ", ".join(passed) if name.startswith("scikit") else str(len(passed) or "")
        yield f"| {name} | {len(kept)} | {int(old.sum())} | {int(new.sum())} | {shown} |"


def _decoded(image: Image.Image, size: int) -> Stack:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return decode(buffer.getvalue(), size).pixels


if __name__ == "__main__":
    main()
