"""How fast lesions are outlined, beside a plain PyTorch loop over the same network, and how much memory that takes.

python benchmarks/segment.py [--images 600] [--large 10000] [--skip-torch] [--out docs/benchmarks-segment.md]

Images are simulated 512 x 512 JPEGs. Both sides go from files to mask files: Cygnet as ``cygnet segment`` does; the peer
decodes whole images with Pillow, resizes them, runs the network in PyTorch eager, enlarges the answer, cuts it and writes
a PNG with Pillow. The peer does without cleaning: no main region is chosen and no hole filled.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rank import cpu, draw, rate, records, show

from cygnet.models import SegmentModel, find_outliner
from cygnet.models.registry import OUTLINERS
from cygnet.triage import Plan, segment_files
from cygnet.workers import cores

#: Rounds in which every side runs once, so that a machine that is slower for a while is slower for all.
ROUNDS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--large", type=int, default=10000, help="images of the memory run; 0 leaves it out")
    parser.add_argument("--skip-torch", action="store_true")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file as well")
    args = parser.parse_args()
    command = (
        f"python benchmarks/segment.py --images {args.images} --large {args.large} --out docs/benchmarks-segment.md"
    )
    tables = [
        f"# Outlines: speed and memory\n\nWritten by `{command}` on {cores()} cores ({cpu()}, Python "
        f"{platform.python_version()}); do not edit by hand, rerun it for yours.\n"
    ]
    print(tables[0])
    # First, since a new process begins with the peak of the one that starts it, and PyTorch raises that.
    remembered = [memory(n) for n in (200, args.large)] if args.large else []
    with tempfile.TemporaryDirectory() as name:
        files = draw(Path(name) / "in", args.images)
        for model in OUTLINERS:
            table = throughput(files, Path(name), model, skip_torch=args.skip_torch)
            title = f"Throughput, image files to mask files, --model {model}"
            tables.append(show(title, ("what", "images/s", "ratio"), table))
    tables.append(show("One large picture, the default model", ("pixels", "seconds"), list(large_pictures())))
    if args.large:
        tables.append(show("Memory, the default model", ("images", "images/s", "peak MB"), remembered))
    if args.out:
        part = args.out.with_suffix(".part")
        part.write_text("\n".join(tables), encoding="utf-8")
        part.replace(args.out)


def throughput(files: list[Path], place: Path, name: str, *, skip_torch: bool) -> list[tuple[str, ...]]:
    """Cygnet and PyTorch in turns; the best round of each counts."""
    models = {views: SegmentModel(find_outliner(name), views=views) for views in (1, 4, 8)}
    ours, theirs = place / "ours", place / "theirs"
    ours.mkdir(exist_ok=True)
    theirs.mkdir(exist_ok=True)
    few = files[: min(len(files), 200)]

    def outline(views: int) -> None:
        for _ in segment_files(records(files if views == 1 else few), models[views], Plan(ours)):
            pass

    loops = {} if skip_torch else {batch: TorchLoop(few, batch, models[1], theirs) for batch in (1, 32)}
    ours_best, theirs_best = dict.fromkeys(models, 0.0), dict.fromkeys(loops, 0.0)
    for _ in range(ROUNDS):
        for views in models:
            n = len(files if views == 1 else few)
            ours_best[views] = max(ours_best[views], rate(n, partial(outline, views), 1))
        for batch, loop in loops.items():
            theirs_best[batch] = max(theirs_best[batch], rate(len(few), loop, 1))
    rows: list[tuple[str, ...]] = [("cygnet segment --views 1", f"{ours_best[1]:.0f}", "")]
    for batch, speed in theirs_best.items():
        times = f"cygnet is {ours_best[1] / speed:.1f} times as fast"
        rows.append((f"PyTorch eager, Pillow, batch {batch}, one view", f"{speed:.0f}", times))
    for views in (4, 8):
        share = f"{ours_best[1] / ours_best[views]:.1f} times as long as with one view"
        rows.append((f"cygnet segment --views {views}", f"{ours_best[views]:.0f}", share))
    return rows


class TorchLoop:
    """The plain loop over the network of ``model``: one pass over ``files`` per call, masks into ``out``."""

    def __init__(self, files: list[Path], batch: int, model: SegmentModel, out: Path) -> None:
        from cygnet.training.segment_network import Probability, build_segment

        backbone = model.card["training"].get("backbone", "lite0")
        self._net = Probability(build_segment(backbone=backbone)).eval()
        self._files, self._batch, self._size, self._out = files, batch, model.size, out

    def __call__(self) -> None:
        """Outline every file once."""
        import torch

        with torch.inference_mode():
            for start in range(0, len(self._files), self._batch):
                some = self._files[start : start + self._batch]
                opened = [self._load(path) for path in some]
                pixels = torch.from_numpy(np.stack([small for small, _ in opened]))
                for path, (_, size), grid in zip(some, opened, self._net(pixels).numpy(), strict=True):
                    full = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BILINEAR))
                    mask = Image.fromarray((full >= 0.5).astype(np.uint8) * 255)
                    mask.save(self._out / f"{path.stem}_segmentation.png")

    def _load(self, path: Path) -> tuple[np.ndarray, tuple[int, int]]:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((self._size, self._size), Image.Resampling.BILINEAR)
            return np.asarray(small), image.size


def large_pictures() -> Iterator[tuple[str, ...]]:
    """Single photographs, from file to mask file."""
    import time

    import cygnet
    from cygnet.simulate import simulate_lesion

    small = Image.fromarray(simulate_lesion(1, size=(600, 400)).image)
    model = SegmentModel(find_outliner())
    for size in ((1500, 1000), (3000, 2000), (6000, 4000)):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "large.jpg"
            small.resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
            spent = []
            for _ in range(3):
                started = time.perf_counter()
                cygnet.segment(path, model).save(Path(name) / "mask.png")
                spent.append(time.perf_counter() - started)
        yield f"{size[0]:,} x {size[1]:,}", f"{min(spent):.3f}"


_MEMORY = """
import json, sys, time
from pathlib import Path
from peak import peak_mb
from cygnet.models import SegmentModel, find_outliner
from cygnet.triage import Plan, collect, segment_files
records, model = collect([sys.argv[1]]), SegmentModel(find_outliner())
started = time.perf_counter()
n = sum(1 for made in segment_files(records, model, Plan(Path(sys.argv[2]))) if made.mask)
print(json.dumps([n, n / (time.perf_counter() - started), peak_mb()]))
"""


def memory(n: int) -> tuple[str, ...]:
    """A process of its own over ``n`` images: rate and peak memory."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "masks"
        out.mkdir()
        draw(Path(name) / "in", n)
        command = [sys.executable, "-c", _MEMORY, str(Path(name) / "in"), str(out)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    images, speed, peak = json.loads(done.stdout)
    return f"{images:,}", f"{speed:.0f}", f"{peak:.0f}"


if __name__ == "__main__":
    main()
