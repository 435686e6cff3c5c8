"""Which numbers of the lesion network to compare lesions by, and what that choice is worth; writes the figures of docs/models.md.

    python studies/embedding.py --data ../shared/data [--cache runs/embedding]

Candidates are judged on the calibration split, by which the choice is made, and the chosen one beside the plain features on the test split as well.
HAM10000 has several photographs of many lesions, and diagnoses; siblings are those of made-up patients.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.context.likeness import isolation, nearest, unit
from cygnet.evaluation.bootstrap import interval
from cygnet.evaluation.metrics import auc, bootstrap_weights, weighted_auc
from cygnet.imaging import decode
from cygnet.models import LesionModel, find_lesion
from cygnet.models.lesion import EMBEDDING, Space
from cygnet.models.registry import ALIASES
from cygnet.report.figures import write_figures
from cygnet.training import augment
from cygnet.training.context_sources import Seen
from cygnet.training.duplicates import without_leaks
from cygnet.training.made_up import LEVELS, STRANGERS, Patients, Stock, join, likeness, make
from cygnet.training.sources import Sample, read_sources

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/embedding.py"
#: Nearest images whose share of melanomas judges a lesion.
NEIGHBOURS: Final = 10
#: Made-up patients a melanoma: the calibration split has a tenth of the test split's.
REPEATS: Final = {"calibration": 6, "test": 2}
#: Photographs whose centre squares are looked for, and the cosines from which a pair is named.
CROPS: Final = 500
COSINES: Final = (0.8, 0.85, 0.9, 0.98)
COLUMNS: Final = ("same lesion", "melanoma by its neighbours", "strange nevus", "strange melanoma, by looks alone")

Floats = NDArray[np.float64]
Make = Callable[[NDArray[np.float32], Space], NDArray[np.floating]]


def along(count: int, power: float) -> Make:
    """The first ``count`` principal coordinates, each divided by that power of its standard deviation."""
    return lambda features, space: space.place(features).along[:, :count] * space.scale[:count] ** np.float32(1 - power)


PLAIN: Final = "the features themselves, 1,280"
CHOSEN: Final = f"{EMBEDDING} principal directions, each in its own spread"
CANDIDATES: Final[Mapping[str, Make]] = {
    PLAIN: lambda features, _: features,
    "less their mean, 1,280": lambda features, space: features - space.centre,
    "128 principal directions as they are": along(128, 0),
    "128, each by the root of its spread": along(128, 0.5),
    "32, each in its own spread": along(32, 1),
    "64, each in its own spread": along(64, 1),
    CHOSEN: along(EMBEDDING, 1),
    "256, each in its own spread": along(256, 1),
}
Change = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def _degraded(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    image = augment.degrade(Image.fromarray(pixels), len(pixels), rng)
    return np.asarray(image.resize((len(pixels), len(pixels))))


def _round_field(pixels: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
    axis = np.linspace(-1, 1, len(pixels))
    return np.where(np.hypot(axis, axis[:, None])[..., None] < 1.02, pixels, np.uint8(0))


CHANGES: Final[Mapping[str, Change]] = {
    "hair drawn in": lambda pixels, rng: np.asarray(augment.hair(Image.fromarray(pixels), rng)),
    "black corners": _round_field,
    "resampled, blurred, compressed": _degraded,
    "a quarter turn": lambda pixels, _: np.ascontiguousarray(np.rot90(pixels)),
    "an eighth brighter": lambda pixels, _: np.clip(pixels * 1.125, 0, 255).astype(np.uint8),
}
#: One number a cluster, and the statistic of (r, clusters) weights.
Measured = tuple[Callable[[Floats], Floats], NDArray[np.str_]]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "embedding")
    args = parser.parse_args()
    samples = [s for s in without_leaks(read_sources(args.data))[0] if s.source == "ham10000"]
    lines = []
    for split, alias in (("calibration", "fast"), ("test", "fast"), ("test", "accurate")):
        mine = [s for s in samples if s.split == split]
        names = list(CANDIDATES) if split == "calibration" else [PLAIN, CHOSEN]
        lines += [*table(LesionModel(find_lesion(alias)), mine, split, names, args.cache), ""]
    lines += disturbed(LesionModel(), [s for s in samples if s.split == "calibration" and s.targets == {"nv"}])
    lines += ["", *cropped(LesionModel(), [s for s in samples if s.split == "test"])]
    text = "\n".join(lines)
    write_figures(ROOT / "docs" / "models.md", COMMAND, text)
    print(text)


def table(
    model: LesionModel, samples: Sequence[Sample], split: str, names: Sequence[str], cache: Path
) -> Iterator[str]:
    """A row a candidate, and beneath it the paired difference from the features themselves."""
    with np.load(model.files.statistics) as arrays:
        space = Space.of(arrays)
    features = model_features(model, np.concatenate(list(batches(samples, model.size))))
    stock = stock_of(samples, split, cache)
    patients = {
        stranger: join(
            [make(stock, level, stranger, np.random.default_rng(5), repeats=REPEATS[split]) for level, _ in LEVELS]
        )
        for stranger in STRANGERS
    }
    rows = np.array([samples.index(s) for s in stock.samples])
    nevi = sum(s.targets == {"nv"} for s in samples)
    yield f"`{model.files.name}` ({next(a for a, n in ALIASES.items() if n == model.files.name)}), {split} split: {len(samples):,} images, {nevi} nevi, {sum(s.melanoma for s in samples)} melanomas.\n"
    yield f"| compared by | {' | '.join(COLUMNS)} |"
    yield "|---|" + "---|" * len(COLUMNS)
    first: list[Floats] = []
    for name in names:
        points = np.asarray(CANDIDATES[name](features, space), np.float32)
        found = [resampled(*measured) for measured in measures(points, samples, rows, patients)]
        words = [stated(values) for values in found]
        if first:
            words = [
                f"{word}; {moved(values - before)}" for word, values, before in zip(words, found, first, strict=True)
            ]
        first = first or found
        yield f"| {name} | {' | '.join(words)} |"


def batches(samples: Sequence[Sample], size: int, batch: int = 32) -> Iterator[NDArray[np.uint8]]:
    """Pixels as the model takes them."""
    for start in range(0, len(samples), batch):
        yield np.stack([as_seen(s.path, size) for s in samples[start : start + batch]])


def as_seen(path: Path, size: int) -> NDArray[np.uint8]:
    """One image as the model takes it."""
    return decode(path.read_bytes(), size).pixels


def stock_of(samples: Sequence[Sample], split: str, cache: Path) -> Stock:
    """The first image of each lesion, to make patients of; what the model sees is not needed for that."""
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.group, sample)
    mine = list(first.values())
    none = np.zeros(len(mine))
    return Stock(
        mine, Seen(none, none[:, None].astype(np.float32), none[:, None]), likeness(mine, f"imagenet-{split}", cache)
    )


def measures(
    points: NDArray[np.float32], samples: Sequence[Sample], rows: NDArray[np.int64], patients: Mapping[str, Patients]
) -> Iterator[Measured]:
    """Each of ``COLUMNS``: a statistic of weights of clusters, and the clusters."""
    lesion = np.array([s.group for s in samples])
    closeness = unit(points) @ unit(points).T
    apart = lesion[:, None] != lesion
    np.fill_diagonal(closeness, -np.inf)
    twice = np.flatnonzero((~apart).sum(axis=1) > 1)
    best = np.where(apart, -np.inf, closeness).max(axis=1)
    reciprocal = 1 / (1 + (apart & (closeness > best[:, None])).sum(axis=1)[twice])
    yield mean_of(reciprocal), lesion[twice]
    melanoma = np.array([s.melanoma for s in samples])
    near = np.argsort(np.where(apart, -closeness, np.inf), axis=1, kind="stable")[:, :NEIGHBOURS]
    share: Floats = np.asarray(melanoma[near].mean(axis=1), np.float64)
    yield (lambda weights: np.asarray(weighted_auc(share, melanoma, weights), np.float64)), lesion
    for stranger in ("nevus", "melanoma"):
        made = patients[stranger]
        odd = np.full(len(made.rows), np.nan)
        values = []
        for patient in np.unique(made.patient):
            mine = made.patient == patient
            odd[mine] = isolation(nearest(points[rows[made.rows[mine]]]))
            values.append(auc(odd[mine], made.stranger[mine]))
        yield mean_of(np.array(values)), np.unique(made.patient).astype(str)


def disturbed(model: LesionModel, nevi: Sequence[Sample]) -> Iterator[str]:
    """How far a change of the picture moves a nevus, over how far it is from the three other nevi nearest to it."""
    with np.load(model.files.statistics) as arrays:
        space = Space.of(arrays)
    pixels = np.concatenate(list(batches(nevi, model.size)))
    lesion = np.array([s.group for s in nevi])
    other = lesion[:, None] != lesion
    yield "How far a change of the picture moves a nevus, over its mean distance from the three most similar other nevi (median; lower is better):\n"
    yield f"| compared by | {' | '.join(CHANGES)} |"
    yield "|---|" + "--:|" * len(CHANGES)
    plain = model_features(model, pixels)
    moved_to = {
        name: model_features(model, np.stack([change(p, np.random.default_rng(k)) for k, p in enumerate(pixels)]))
        for name, change in CHANGES.items()
    }
    for name in (PLAIN, CHOSEN):
        place = CANDIDATES[name]
        points = unit(place(plain, space))
        apart = np.sqrt(np.maximum(2 - 2 * points @ points.T, 0))
        usual = np.sort(np.where(other, apart, np.inf), axis=1)[:, :3].mean(axis=1)
        shifts = [np.linalg.norm(unit(place(f, space)) - points, axis=1) / usual for f in moved_to.values()]
        yield f"| {name} | {' | '.join(f'{np.median(shift):.2f}' for shift in shifts)} |"


def cropped(model: LesionModel, samples: Sequence[Sample]) -> Iterator[str]:
    """How many centre squares a cosine names as their photograph's, and how many pairs of photographs of different lesions."""
    first = {s.group: s for s in reversed(samples) if s.sharp_path is not None}
    ours = list(first.values())[:CROPS]
    with np.load(model.files.statistics) as arrays:
        space = Space.of(arrays)
    whole = model_features(model, np.concatenate(list(batches(ours, model.size))))
    square = model_features(model, np.stack([as_seen(s.sharp_path, model.size) for s in ours if s.sharp_path]))
    pairs = np.triu_indices(len(ours), 1)
    yield f"Cropped copies: {len(ours)} photographs of HAM10000's test split, one a lesion, and their centre squares. A cosine names so many of the squares, and so many of the {len(pairs[0]):,} pairs of photographs of different lesions:\n"
    yield f"| compared by | {' | '.join(f'from {cosine}' for cosine in COSINES)} |"
    yield "|---|" + "--:|" * len(COSINES)
    for name in (PLAIN, CHOSEN):
        a, b = (unit(CANDIDATES[name](features, space)) for features in (whole, square))
        own, others = (a * b).sum(axis=1), (a @ a.T)[pairs]
        yield f"| {name} | {' | '.join(f'{(own >= c).mean():.0%}, {(others >= c).sum()}' for c in COSINES)} |"


def model_features(model: LesionModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of any number of images."""
    return np.concatenate([model.features(pixels[i : i + 32]) for i in range(0, len(pixels), 32)])


def mean_of(values: Floats) -> Callable[[Floats], Floats]:
    """The weighted mean of one number each."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


def resampled(statistic: Callable[[Floats], Floats], clusters: NDArray[np.str_]) -> Floats:
    """The statistic itself, then of 2,000 resamples of clusters, the same for whatever has the same clusters."""
    weights = np.concatenate([np.ones((1, len(clusters))), bootstrap_weights(clusters)])
    return statistic(weights)


def stated(values: Floats) -> str:
    """The value with its interval."""
    low, high = interval(values[1:])
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def moved(values: Floats) -> str:
    """A difference with its interval."""
    low, high = interval(values[1:])
    return f"{values[0]:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    main()
