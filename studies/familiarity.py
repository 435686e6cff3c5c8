"""What the packaged lesion models take for dermoscopy, and, with ``--fit``, what one of them takes for it fitted again.

    python studies/familiarity.py --data ../shared/data [--fit NAME]

writes the figures between the markers of docs/gate.md; ``--fit`` first writes that model's statistics (.npz) and card anew. Axes, looks and limits come
from training and calibration images; the test split is only counted at the end.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import looks
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging import decode, inspect, scene
from cygnet.imaging.look import look
from cygnet.models import LesionModel, find_lesion
from cygnet.models.lesion import Space
from cygnet.models.registry import ALIASES, FOLDER, ModelFiles, find
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


def main() -> None:
    """Fit where asked, measure, write."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", type=Path, required=True)
    ask.add_argument("--fit", help="a packaged model whose statistics are to be fitted again")
    args = ask.parse_args()
    samples, _ = without_leaks(read_sources(args.data))
    by = {split: [s for s in samples if s.split == split] for split in ("train", "calibration", "test")}
    if args.fit:
        model = LesionModel(find(args.fit))
        rewrite(model.files, package.fit_familiarity(*(seen(by[name], model) for name in ("train", "calibration"))))
    models = [LesionModel(find_lesion(alias)) for alias in ALIASES]
    lines = [*left_out(by["train"], by["calibration"], models), *refusals(by["test"], models), *pictures(models)]
    write_figures(PAGE, "python studies/familiarity.py", "\n".join(lines))


def seen(samples: Sequence[Sample], model: LesionModel, batch: int = 32) -> Features:
    """As ``package.extract``, without verdicts, outlines and measurements, which familiarity does not need."""
    pooled, numbers = [], []
    for start in range(0, len(samples), batch):
        pixels = np.stack([decode(s.path.read_bytes(), model.size).pixels for s in samples[start : start + batch]])
        pooled.append(model.features(pixels))
        numbers.append(look(pixels))
    none = np.empty((len(samples), 0), np.float32)
    return Features(list(samples), none, np.concatenate(pooled), none, np.concatenate(numbers))


def rewrite(files: ModelFiles, statistics: dict[str, NDArray[np.float32] | float]) -> None:
    """Put new statistics into the package, and their hash into every card that names them."""
    np.savez(files.statistics, **statistics)  # type: ignore[arg-type]
    for path in FOLDER.glob("*.json"):  # models with the same embedding share their statistics
        card = json.loads(path.read_text(encoding="utf-8"))
        stated = card["files"].get("statistics", {})
        if stated.get("name") == files.statistics.name:
            stated |= {"sha256": file_sha256(files.statistics), "bytes": files.statistics.stat().st_size}
            path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def left_out(train: Sequence[Sample], held: Sequence[Sample], models: Sequence[LesionModel]) -> Iterator[str]:
    """How much of each source is refused by its look when it was not among the sources that looks and limits come from."""
    yield heading("source left out, of its images refused", models)
    rates = [_left_out(seen(train, model), seen(held, model)) for model in models]
    for name in rates[0]:
        yield f"| {name} | {' | '.join(f'{rate[name]:.1%}' for rate in rates)} |"
    yield ""


def _left_out(train: Features, held: Features) -> dict[str, float]:
    whole = package.fit_familiarity(train, held)
    inside = [Space.of(whole).place(f.pooled).strangeness for f in (train, held)]
    return package.refused_unseen(train, held, inside, package.look_share(train, held, inside))


def heading(first: str, models: Sequence[LesionModel], *more: str) -> str:
    """The head of a table with a column a model."""
    columns = [first, *more, *(f"`{model.files.name}`" for model in models)]
    return f"| {' | '.join(columns)} |\n|---{'|--:' * (len(columns) - 1)}|"


def refused(files: Sequence[bytes], model: LesionModel) -> NDArray[np.bool_]:
    """Whether each image is refused, as not dermoscopy or for its quality."""
    made = []
    for start in range(0, len(files), 16):
        part = np.stack([decode(data, model.size).pixels for data in files[start : start + 16]])
        bad = [any(f.refuses for f in found) for found in inspect(scene(part, draw(part, default_segmenter()).masks))]
        made.append(np.array(bad) | (model.predict(part).strangeness > 1))
    return np.concatenate(made)


def refusals(test: Sequence[Sample], models: Sequence[LesionModel]) -> Iterator[str]:
    """Real dermoscopy of the test split."""
    yield heading("dermoscopy, test split: refused", models, "images")
    for source in sorted({s.source for s in test}):
        mine = [s for s in test if s.source == source]
        cells = []
        for model in models:
            bad = refused([s.path.read_bytes() for s in mine], model)
            cells.append(f"{int(bad.sum())} ({bad.mean():.1%})")
        yield f"| {source} | {len(mine)} | {' | '.join(cells)} |"
    yield ""


def pictures(models: Sequence[LesionModel]) -> Iterator[str]:
    """Pictures that are something else: drawn ones by kind, and scikit-image's samples, of which the passed are named."""
    import skimage

    yield heading("no dermoscopy: refused", models, "pictures")
    sets = {f"{kind} (drawn)": {f"{seed}": picture(kind, seed) for seed in SEEDS} for kind in KINDS}
    samples = sorted(p for p in (Path(skimage.__file__).parent / "data").iterdir() if p.suffix in (".png", ".jpg"))
    sets["scikit-image's samples"] = {p.stem: Image.open(p).convert("RGB") for p in samples}
    for name, images in sets.items():
        kept = {key: image for key, image in images.items() if min(image.size) >= 96}
        cells = []
        for model in models:
            bad = refused([looks.jpeg(image, 90) for image in kept.values()], model)
            passed = [key for key, no in zip(kept, bad, strict=True) if not no]
            named = f", not {', '.join(passed)}" if passed and name.startswith("scikit") else ""
            cells.append(f"{int(bad.sum())}{named}")
        yield f"| {name} | {len(kept)} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
