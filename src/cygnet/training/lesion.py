"""Train the lesion network. Nothing here looks at the test split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from cygnet.errors import InputError
from cygnet.evaluation.metrics import auc
from cygnet.schema import DIAGNOSES
from cygnet.training import augment
from cygnet.training.batches import batches
from cygnet.training.checkpoint import save
from cygnet.training.loop import ALONE, Progress, Say, blend, fit, silent
from cygnet.training.network import BACKBONES, LesionNet, build, partial_label_loss
from cygnet.training.place import DEVICES, PRECISIONS, Place
from cygnet.training.sources import Part, Sample
from cygnet.training.tables import Source
from cygnet.training.teacher import Teachers, asked, parts, refuse_unasked

#: What teachers are asked about: the very pixels, or the same part of the image with its look unchanged.
VIEWS_OF_TEACHERS: Final = ("same", "clear")
#: Images are decoded to at least this many pixels a side.
_LOADED = 256


@dataclass(frozen=True, slots=True)
class LesionConfig:
    """One training run.

    ``backbone`` is one of ``network.BACKBONES``. ``sizes`` are input sides in pixels, each for an equal share of the epochs, small to large. ``start`` is a file of
    weights to begin with instead of ImageNet's, and ``keep`` the share of them that is averaged into the final ones
    (Wortsman et al. 2022). ``mix`` is the share of batches that are mixed in pairs (mixup, Zhang et
    al. 2018, or CutMix, Yun et al. 2019), ``votes`` how much of a label is left to many human readers, where they voted
    (after Peterson et al. 2019), ``taught`` how much of the loss is the distance from what the packaged models ``teachers`` think of the same
    pixels (``teacher``) or, with ``teacher_sees`` "clear", of the same part of the image before its look was changed, so that what a
    blurred view hides is taught as well (Xie et al. 2020), ``strength`` how far augmentation changes the look of an image; all in [0, 1].

    ``batch`` images make a step, all processes together. ``device`` and ``precision`` are as in ``place``. ``ham10000``, ``isic2017``
    and ``isic2020`` are the shares of the draws of the three known folders; where ``sources`` are described, those and their shares
    count instead. ``fold``, 0 to 4, says which fifth is the test split, ``hold_out`` which sources are in it whole. ``without_part``, such as
    "1/3", leaves a part of the training split out as well (``sources.Part``): the finished model can then teach of images that it has not met.
    """

    backbone: str = "lite0"
    epochs: int = 22
    draws: int = 8192
    batch: int = 64
    sizes: tuple[int, ...] = (128, 160)
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    smoothing: float = 0.05
    ema: float = 0.998
    seed: int = 1
    workers: int = 2
    device: str = "auto"
    precision: str = "auto"
    pretrained: bool = True
    start: str = ""
    keep: float = 0.0
    mix: float = 0.5
    votes: float = 0.3
    teachers: tuple[str, ...] = ()
    taught: float = 0.0
    teacher_sees: str = "same"
    strength: float = 1.0
    ham10000: float = 0.58
    isic2017: float = 0.26
    isic2020: float = 0.16
    fold: int = 0
    hold_out: tuple[str, ...] = ()
    without_part: str = ""
    sources: tuple[Source, ...] = ()

    LIMITS: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(("epochs", "draws", "batch"), (1, math.inf)),
        **dict.fromkeys(
            ("workers", "learning_rate", "weight_decay", "ham10000", "isic2017", "isic2020"), (0, math.inf)
        ),
        "fold": (0, 4),
        **dict.fromkeys(("smoothing", "ema", "keep", "mix", "votes", "taught", "strength"), (0, 1)),
    }
    CHOICES: ClassVar[Mapping[str, Sequence[str]]] = {
        "backbone": BACKBONES,
        "device": DEVICES,
        "precision": PRECISIONS,
        "teacher_sees": VIEWS_OF_TEACHERS,
    }

    def size_at(self, epoch: int) -> int:
        """The input side of this epoch (from 0)."""
        return self.sizes[min(epoch * len(self.sizes) // self.epochs, len(self.sizes) - 1)]

    @property
    def shares(self) -> dict[str, float]:
        """The share of the draws of each source, by name."""
        if self.sources:
            return {source.name: source.share for source in self.sources}
        return {"ham10000": self.ham10000, "isic2017": self.isic2017, "isic2020": self.isic2020}


def train(
    samples: list[Sample],
    config: LesionConfig,
    out: Path,
    progress: Progress | None = None,
    place: Place = ALONE,
    say: Say = silent,
) -> Path:
    """Train on the train split and return the path of the final weights.

    Starts from the last checkpoint in ``out`` when it belongs to the same configuration; ``progress(step, steps, loss)`` is
    called after each step, ``say`` where the newest checkpoint is damaged. ``place`` says where it is done.

    Raises
    ------
    InputError
        If ``out`` holds a run with another configuration, or a split has no images.
    TrainingError, OutputError
        As of ``loop.fit``.
    """
    training = [s for s in samples if s.split == "train"]
    calibration = [s for s in samples if s.split == "calibration"]
    if not training or not calibration:
        raise InputError(
            f"{len(training)} images to train on and {len(calibration)} to calibrate on, of {len(samples)}; both are needed: "
            "add images, or a column that says the split"
        )
    torch.manual_seed(config.seed)
    model = build(len(DIAGNOSES), pretrained=config.pretrained and not config.start, backbone=config.backbone)
    if config.start:
        model.load_state_dict(torch.load(config.start, weights_only=True, map_location="cpu"))
    average = build(len(DIAGNOSES), pretrained=False, backbone=config.backbone)
    named = config.teachers if config.taught else ()
    left_out = parts(named)
    refuse_unasked(training, left_out)
    teachers = Teachers(named) if named else None
    fit(
        model,
        average,
        config,
        out,
        lambda epoch: _loader(training, config, epoch, place, left_out),
        lambda network, batch, rng: _batch_loss(network, batch, config, rng, place, teachers),
        lambda: {"calibration_auc": _melanoma_auc(average, calibration, config, place)},
        progress,
        place,
        say,
    )
    average.cpu()
    if config.start and config.keep:
        model.cpu().load_state_dict(torch.load(config.start, weights_only=True, map_location="cpu"))
        blend(average, model, 1 - config.keep)
    return place.agree(lambda: save(average.state_dict(), out / "weights.pt"))


def draw_weights(samples: list[Sample], shares: dict[str, float]) -> NDArray[np.float64]:
    """The chance of each sample per draw: sources by ``shares``, and within a source square-root class balance."""
    weights = np.zeros(len(samples))
    for source, share in shares.items():
        mine = [i for i, s in enumerate(samples) if s.source == source]
        counts: dict[str, int] = {}
        for i in mine:
            counts[samples[i].stratum] = counts.get(samples[i].stratum, 0) + 1
        raw = np.array([counts[samples[i].stratum] ** -0.5 for i in mine])
        if mine:
            weights[mine] = share * raw / raw.sum()
    return np.asarray(weights / weights.sum())


def sharp_chances(samples: list[Sample]) -> dict[tuple[str, str], float]:
    """By (source, stratum), how often to take the sharp rendering of a sample that has one.

    Sharp renderings are unevenly available over the classes; these chances make the share of sharp draws the same in
    every class of a source, so that sharpness says nothing about the label.
    """
    have: dict[tuple[str, str], list[bool]] = {}
    for s in samples:
        have.setdefault((s.source, s.stratum), []).append(s.sharp_path is not None)
    rates = {key: float(np.mean(flags)) for key, flags in have.items()}
    lowest: dict[str, float] = {}
    for (source, _), rate in rates.items():
        lowest[source] = min(lowest.get(source, 1.0), rate)
    return {key: lowest[key[0]] / rate if rate else 0.0 for key, rate in rates.items()}


def label_masks(sample: Sample) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``targets`` and ``known`` of a sample as (n_classes,) bool in the order of ``DIAGNOSES``."""
    return np.array([d in sample.targets for d in DIAGNOSES]), np.array([d in sample.known for d in DIAGNOSES])


def opinions(sample: Sample, share: float) -> NDArray[np.float32]:
    """What readers' votes add to a label: (n_classes,), summing to at most ``share``, to less when few voted."""
    if not sample.votes or not sum(sample.votes):
        return np.zeros(len(DIAGNOSES), np.float32)
    counts = np.array(sample.votes, np.float32)
    return np.asarray(share * counts / (counts.sum() + 3), np.float32)


def mix(
    renderings: Sequence[Tensor], rng: np.random.Generator, kinds: Tensor | None = None
) -> tuple[list[Tensor], Tensor, float]:
    """Mix a batch with itself in another order: the mixed renderings, that order, and the first's share.

    ``renderings`` are the same images (n, size, size, 3) in several looks, mixed alike. Half of the time the images are blended
    (mixup), else a rectangle of the second replaces the first's (CutMix). Where ``kinds`` (n, k) are given, only images that
    have the same are mixed with each other.
    """
    order = torch.from_numpy(_shuffled(len(renderings[0]), rng, kinds))
    share = float(rng.beta(0.6, 0.6))
    if rng.random() < 0.5:
        return [pixels.float() * share + pixels[order].float() * (1 - share) for pixels in renderings], order, share
    size = renderings[0].shape[1]
    side = round(size * math.sqrt(1 - share))
    top, left = (int(rng.integers(0, size - side + 1)) for _ in range(2))
    mixed = [pixels.clone() for pixels in renderings]
    for new, pixels in zip(mixed, renderings, strict=True):
        new[:, top : top + side, left : left + side] = pixels[order, top : top + side, left : left + side]
    return mixed, order, 1 - (side / size) ** 2


def _shuffled(count: int, rng: np.random.Generator, kinds: Tensor | None) -> NDArray[np.int64]:
    order = np.arange(count)
    groups = np.zeros(count, int) if kinds is None else np.unique(kinds.cpu().numpy(), axis=0, return_inverse=True)[1]
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        order[mine] = rng.permutation(mine)
    return order


class _Draws(Dataset[tuple[NDArray[Any], ...]]):
    """The draws of one epoch, each augmented from its own seed, so that a resumed epoch sees the same images."""

    def __init__(
        self, samples: list[Sample], config: LesionConfig, epoch: int, left_out: Sequence[Part | None] = ()
    ) -> None:
        rng = np.random.default_rng([config.seed, epoch])
        self.samples = samples
        self.order = rng.choice(len(samples), size=config.draws, p=draw_weights(samples, config.shares))
        self.sharp = sharp_chances(samples)
        self.seed = [config.seed, epoch]
        self.votes, self.strength = config.votes, config.strength
        self.left_out = left_out
        self.clear = bool(left_out) and config.teacher_sees == "clear"
        self.size = config.size_at(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        """Targets and known (n_classes,) bool, opinions (n_classes,) float32, the teachers to ask (teachers,) bool, then pixels
        (size, size, 3) uint8.

        The pixels are those of the augmented view and, where teachers see it, of the clear one.
        """
        sample = self.samples[self.order[index]]
        rng = np.random.default_rng([*self.seed, index])
        path = sample.path
        if sample.sharp_path and rng.random() < self.sharp[sample.source, sample.stratum]:
            path = sample.sharp_path
        image = augment.load(str(path), max(_LOADED, self.size))
        renderings = augment.renderings(image, self.size, rng, self.strength, clear=self.clear)
        return *label_masks(sample), opinions(sample, self.votes), asked(sample, self.left_out), *renderings


def _loader(
    samples: list[Sample], config: LesionConfig, epoch: int, place: Place, left_out: Sequence[Part | None] = ()
) -> Iterator[list[Tensor]]:
    draws = _Draws(samples, config, epoch, left_out)
    return batches(draws, len(draws), config.batch, config.workers, place)


def _batch_loss(
    network: nn.Module,
    batch: list[Tensor],
    config: LesionConfig,
    rng: np.random.Generator,
    place: Place,
    teachers: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    labels, whom, renderings = batch[:3], batch[3], batch[4:]
    order, share = None, 1.0
    if rng.random() < config.mix:
        renderings, order, share = mix(renderings, rng, whom)
    pixels = renderings[0]
    with place.autocast():
        logits, _ = network(pixels)
    loss = _loss(logits.float(), labels, config.smoothing)
    if order is not None:
        loss = share * loss + (1 - share) * _loss(logits.float(), [part[order] for part in labels], config.smoothing)
    if teachers is not None:
        thought = teachers(renderings[-1], whom)
        apart = -(thought * torch.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()
        loss = (1 - config.taught) * loss + config.taught * apart
    return loss


def _loss(logits: Tensor, labels: list[Tensor], smoothing: float) -> Tensor:
    targets, known, votes = labels
    return partial_label_loss(logits, targets, known, smoothing, votes).mean()


@torch.no_grad()
def _melanoma_auc(model: LesionNet, samples: list[Sample], config: LesionConfig, place: Place) -> dict[str, float]:
    """AUC of the melanoma probability by source on whole images, at the last input size."""
    model.eval()
    scores: dict[str, list[float]] = {}
    labels: dict[str, list[bool]] = {}
    mel = DIAGNOSES.index("mel")
    for start in range(0, len(samples), config.batch):
        batch = samples[start : start + config.batch]
        size = config.sizes[-1]
        pixels = np.stack([augment.plain(augment.load(str(s.path), max(_LOADED, size)), size) for s in batch])
        logits, _ = model(torch.from_numpy(pixels).to(place.device))
        for sample, score in zip(batch, torch.softmax(logits, 1)[:, mel].tolist(), strict=True):
            scores.setdefault(sample.source, []).append(score)
            labels.setdefault(sample.source, []).append(sample.melanoma)
    return {s: round(auc(np.array(scores[s]), np.array(labels[s])), 4) for s in scores}
