"""How fast ranking is, beside a plain PyTorch loop and the limits of the machine, in one table.

python benchmarks/rank.py [--images 600] [--large 10000] [--skip-torch] [--out docs/benchmarks.md]

Images are simulated 512 x 512 JPEGs, drawn once and then repeated under other names. Both lesion models are measured, the default of ranking first; it is what the cold
start and the memory are of. Peers: PyTorch eager running the same networks (those of the lesion model on as many mirror images, and that of the outline), images
decoded whole and resized by Pillow.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from cygnet.context import Reference, compare
from cygnet.imaging import decode, middles
from cygnet.models import LesionModel, SegmentModel, find_lesion
from cygnet.models.lesion import EMBEDDING
from cygnet.models.registry import ALIASES, PREFERRED
from cygnet.models.views import CLOSE
from cygnet.schema import ImageRecord
from cygnet.simulate import simulate_patient
from cygnet.triage import Options, stream
from cygnet.triage.outlines import at_side, default_segmenter
from cygnet.workers import cores

SIZE = 512


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--large", type=int, default=10000, help="images of the memory run; 0 leaves it out")
    parser.add_argument("--skip-torch", action="store_true")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file as well")
    args = parser.parse_args()
    tables = [head(args.images, args.large)]
    print(tables[0])
    with tempfile.TemporaryDirectory() as name:
        files = draw(Path(name), args.images)
        for name in sorted(ALIASES, key=lambda name: name != PREFERRED):
            table = throughput(files, LesionModel(find_lesion(name)), skip_torch=args.skip_torch)
            title = f"Throughput, JPEG bytes to ranking, `--model {name}`{', the default' if name == PREFERRED else ''}"
            tables.append(show(title, ("what", "images/s", "ratio"), table))
        tables.append(show("Cold start", ("what", "seconds"), cold(files)))
    tables.append(show("Context alone", ("lesions of one patient", "seconds", "ms per lesion"), context_cost()))
    if args.large:
        rows = [memory(n) for n in (100, args.large)]
        tables.append(show("Memory", ("images", "images/s", "peak MB"), rows))
    if args.out:
        part = args.out.with_suffix(".part")
        part.write_text("\n".join(tables), encoding="utf-8")
        part.replace(args.out)


def head(images: int, large: int) -> str:
    """Where and how the figures were taken."""
    command = f"python benchmarks/rank.py --images {images} --large {large} --out docs/benchmarks.md"
    return (
        f"# Ranking: speed, memory and cold start\n\nWritten by `{command}` on {cores()} cores ({cpu()}, "
        f"Python {platform.python_version()}); do not edit by hand, rerun it for yours.\n"
    )


def cpu() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def show(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """One Markdown table, printed at once."""
    lines = [f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    text = "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])
    print(text, flush=True)
    return text


def draw(folder: Path, n: int) -> list[Path]:
    """``n`` JPEG files of 512 x 512 pixels in patients of 20."""
    lesions = [
        lesion.image for seed in range(4) for lesion in simulate_patient(seed, n_lesions=10, size=(SIZE, SIZE)).lesions
    ]
    files = []
    for i in range(n):
        path = folder / f"patient{i // 20:04d}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        Image.fromarray(lesions[i % len(lesions)]).save(buffer, "JPEG", quality=90 - i // len(lesions) % 8)
        path.write_bytes(buffer.getvalue() + i.to_bytes(4, "big"))
        files.append(path)
    return files


def rate(n: int, work: Callable[[], object], repeats: int = 2) -> float:
    """Images per second, the best of ``repeats``."""
    best = 0.0
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = max(best, n / (time.perf_counter() - started))
    return best


def records(files: list[Path]) -> list[ImageRecord]:
    """As ``cygnet rank`` would collect them."""
    return [ImageRecord(p.stem, p, p.parent.name, origin="benchmark") for p in files]


def throughput(files: list[Path], model: LesionModel, *, skip_torch: bool) -> list[tuple[str, ...]]:
    """Cygnet, its two stages alone, and PyTorch."""
    n, usable = len(files), cores()
    opened = [decode(p.read_bytes(), model.size, middle=model.middle) for p in files[:64]]
    pixels, near = np.stack([image.pixels for image in opened]), middles(opened)

    segmenter = default_segmenter()

    def decoding() -> None:
        def both(path: Path) -> None:
            at_side(decode(path.read_bytes(), model.size, middle=model.middle).pixels[None], segmenter.size)

        with ThreadPoolExecutor(usable) as pool:
            list(pool.map(both, files))

    small = np.stack([decode(p.read_bytes(), segmenter.size).pixels for p in files[:64]])

    def running(answer: Callable[..., object]) -> None:
        def both(i: int) -> None:
            some = slice(i % 56, i % 56 + 8)
            answer(pixels[some], near=None if near is None else near[some])
            segmenter.predict(small[i % 56 : i % 56 + 8])

        with ThreadPoolExecutor(usable) as pool:
            list(pool.map(both, range(0, n, 8)))

    def networks() -> None:
        running(model.logits)

    def gated() -> None:
        running(model.predict)

    def ranking() -> None:
        for _ in stream(records(files), model, Options()):
            pass

    ranking()
    with threadpool_limits(limits=1, user_api="blas"):  # as ranking itself does, or its stages would look slower
        # In turns, so that a machine that is slower for a while is slower for all.
        rounds = [[rate(n, work, 1) for work in (ranking, decoding, networks, gated)] for _ in range(5)]
    ours, decode_rate, infer_rate, gated_rate = (max(column) for column in zip(*rounds, strict=True))
    limit, gated_limit = (1 / (1 / decode_rate + 1 / answers) for answers in (infer_rate, gated_rate))
    rows: list[tuple[str, ...]] = [
        ("decoding alone, to the sides of the networks, all cores", f"{decode_rate:.0f}", ""),
        ("inference alone, all networks, all cores", f"{infer_rate:.0f}", ""),
        ("limit set by both", f"{limit:.0f}", "1.00"),
        ("limit with the gate's own arithmetic counted as inference", f"{gated_limit:.0f}", ""),
        (
            "cygnet, bytes to ranking",
            f"{ours:.0f}",
            f"{ours / limit:.2f} of the limit, {ours / gated_limit:.2f} of that with the gate",
        ),
    ]
    if not skip_torch:
        loops = {batch: torch_loop(files[: min(n, 96)], batch, model, segmenter) for batch in (1, 32)}
        for batch, speed in loops.items():
            rows.append(
                (f"PyTorch eager, Pillow, batch {batch}", f"{speed:.0f}", f"cygnet is {ours / speed:.1f} times as fast")
            )
    return rows


def torch_loop(files: list[Path], batch: int, model: LesionModel, segmenter: SegmentModel) -> float:
    """Images per second of the plain loop."""
    import torch

    from cygnet.training.network import build
    from cygnet.training.segment_network import build_segment

    training = model.card["training"]
    networks: list[tuple[Any, int]] = []
    for run in training.get("members", {"itself": training}).values():
        whole = cast(Any, build(7, backbone=run.get("backbone", "lite0")).eval().backbone)
        networks.append((whole.to(memory_format=torch.contiguous_format), int(run["sizes"][-1])))
    outliner = build_segment().eval()
    sides = sorted({segmenter.size, *(side for _, side in networks)})
    mirrors: list[list[int]] = [[], [3], [2], [2, 3]][: model.views]
    close = CLOSE if model.middle else ()

    def load(path: Path) -> list[list[NDArray[np.uint8]]]:
        with Image.open(path) as image:
            whole = image.convert("RGB")
            half = min(whole.size) * model.middle / 2
            x, y = whole.width / 2, whole.height / 2
            shown = [None, (x - half, y - half, x + half, y + half)] if close else [None]
            return [
                [np.asarray(whole.resize((side, side), Image.Resampling.BILINEAR, box)) for box in shown]
                for side in sides
            ]

    def work() -> None:
        with torch.inference_mode():
            for start in range(0, len(files), batch):
                loaded = zip(*(load(p) for p in files[start : start + batch]), strict=True)
                pixels = {
                    side: [torch.from_numpy(np.stack(part)) for part in zip(*some, strict=True)]
                    for side, some in zip(sides, loaded, strict=True)
                }
                outliner(pixels[segmenter.size][0])
                for network, side in networks:
                    seen = [(part.permute(0, 3, 1, 2).float() - 127) / 128 for part in pixels[side]]
                    for view, mirror in enumerate(mirrors):
                        network.extract_features(seen[view in close].flip(mirror)).mean((2, 3))

    work()
    return rate(len(files), work)


def cold(files: list[Path]) -> list[tuple[str, ...]]:
    """Fresh processes: one patient of 20 images, and the help page."""
    command = [sys.executable, "-c", "from cygnet.cli import main; main()"]
    rows: list[tuple[str, ...]] = []
    for name, arguments in (
        ("cygnet rank, one patient of 20 images", ["rank", str(files[0].parent), "--quiet"]),
        ("cygnet --help", ["--help"]),
    ):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run([*command, *arguments], check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        rows.append((name, f"{min(times):.2f}"))
    return rows


def context_cost() -> list[tuple[str, ...]]:
    """Comparison of one patient's lesions with random features."""
    reference = Reference(1.7, (1.0,) * 7, 0.9, 0.3, 0.6, 0.7)
    rng = np.random.default_rng(0)
    rows: list[tuple[str, ...]] = []
    for n in (10, 100, 1000, 10000):
        embedding, logit, measured = rng.random((n, EMBEDDING), np.float32), rng.normal(size=n), rng.normal(size=(n, 7))
        started = time.perf_counter()
        compare(embedding, logit, measured, [None] * n, reference)
        spent = time.perf_counter() - started
        rows.append((f"{n:,}", f"{spent:.3f}", f"{spent / n * 1e3:.3f}"))
    return rows


_MEMORY = """
import json, sys, time
from pathlib import Path
from peak import peak_mb
from cygnet.models import LesionModel, find_lesion
from cygnet.models.registry import PREFERRED
from cygnet.triage import Options, collect, stream
records, model = collect([sys.argv[1]]), LesionModel(find_lesion(PREFERRED))
started = time.perf_counter()
n = sum(len(r.assessment.lesions) for r in stream(records, model, Options()))
print(json.dumps([n, n / (time.perf_counter() - started), peak_mb()]))
"""


def memory(n: int) -> tuple[str, ...]:
    """A process of its own over ``n`` images: rate and peak memory."""
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), n)
        command = [sys.executable, "-c", _MEMORY, name]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    images, speed, peak = json.loads(done.stdout)
    return f"{images:,}", f"{speed:.0f}", f"{peak:.0f}"


if __name__ == "__main__":
    main()
