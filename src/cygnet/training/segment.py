"""Train the segmentation network on HAM10000's masks. Nothing here looks at the test split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from cygnet.errors import InputError
from cygnet.evaluation.masks import jaccard, threshold_jaccard
from cygnet.training import augment, segment_views
from cygnet.training.batches import batches
from cygnet.training.checkpoint import save
from cygnet.training.loop import ALONE, Progress, blend, fit
from cygnet.training.segment_masks import MaskStore, truth
from cygnet.training.segment_network import SegmentNet, begin_with, build_segment, of_lesions, soft_jaccard_loss
from cygnet.training.sources import Sample

#: Images are decoded to at least this many pixels a side.
_LOADED = 256


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """One training run.

    ``sizes`` are input sides in pixels, multiples of 32, each for an equal share of the epochs, small to large. ``start``
    is a file of weights to begin with instead of ImageNet's, those of an outline network or of a lesion network, whose
    backbone is taken; ``keep`` is the share of them that is averaged into the final ones (Wortsman et al. 2022). ``sharp`` is how often the sharper rendering of an image that has one is taken,
    ``strength`` how far augmentation changes an image at first and ``settled`` at last (in between linearly), since
    ending with weak augmentation brings the training nearer to images as they are; all in [0, 1].
    """

    backbone: str = "lite0"
    epochs: int = 26
    draws: int = 6144
    batch: int = 32
    sizes: tuple[int, ...] = (128, 160, 160)
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    ema: float = 0.998
    seed: int = 1
    workers: int = 2
    pretrained: bool = True
    start: str = ""
    keep: float = 0.0
    sharp: float = 0.35
    strength: float = 0.8
    settled: float = 0.3

    def size_at(self, epoch: int) -> int:
        """The input side of this epoch (from 0)."""
        return self.sizes[min(epoch * len(self.sizes) // self.epochs, len(self.sizes) - 1)]

    def strength_at(self, epoch: int) -> float:
        """How far augmentation goes in this epoch (from 0)."""
        done = epoch / max(self.epochs - 1, 1)
        return self.strength + (min(self.settled, self.strength) - self.strength) * done


def train(samples: Sequence[Sample], config: SegmentConfig, out: Path, progress: Progress | None = None) -> Path:
    """Train on the train split and return the path of the final weights.

    Starts from ``out/checkpoint.pt`` when it belongs to the same configuration. The log has the mean Jaccard and mean
    threshold Jaccard on the calibration split at the masks' own size after each epoch.

    Raises
    ------
    InputError
        If ``out`` holds a run with another configuration, a mask is missing, or ``start`` holds another network.
    """
    torch.manual_seed(config.seed)
    model = build_segment(pretrained=config.pretrained and not config.start, backbone=config.backbone)
    begun = torch.load(config.start, weights_only=True) if config.start else None
    if begun is not None:
        begin_with(model, begun, config.start)
        if config.keep and of_lesions(begun):
            raise InputError(f"keep {config.keep}: {config.start} is a lesion network, of which nothing can be kept")
    average = build_segment(pretrained=False, backbone=config.backbone)
    training = [s for s in samples if s.split == "train"]
    calibration = [s for s in samples if s.split == "calibration"]
    out.mkdir(parents=True, exist_ok=True)
    masks = MaskStore.build(training, out)
    fit(
        model,
        average,
        config,
        out,
        lambda epoch: _loader(training, masks, config, epoch),
        lambda network, batch, _: _batch_loss(network, batch),
        lambda: judge(average, calibration, config.sizes[-1]),
        progress,
    )
    if begun is not None and config.keep:
        model.load_state_dict(begun)
        blend(average, model, 1 - config.keep)
    return save(average.state_dict(), out / "weights.pt")


class _Draws(Dataset[tuple[NDArray[np.uint8], NDArray[np.uint8]]]):
    """The draws of one epoch, each augmented from its own seed, so that a resumed epoch sees the same images."""

    def __init__(self, samples: Sequence[Sample], masks: MaskStore, config: SegmentConfig, epoch: int) -> None:
        rng = np.random.default_rng([config.seed, epoch])
        rounds = -(-config.draws // len(samples))
        self.order = np.concatenate([rng.permutation(len(samples)) for _ in range(rounds)])[: config.draws]
        self.samples, self.masks, self.config = samples, masks, config
        self.seed = [config.seed, epoch]
        self.size, self.strength = config.size_at(epoch), config.strength_at(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Pixels (size, size, 3) uint8, mask (size / 2, size / 2) uint8 in shares of 255."""
        at = int(self.order[index])
        sample = self.samples[at]
        rng = np.random.default_rng([*self.seed, index])
        sharp = sample.sharp_path is not None and rng.random() < self.config.sharp
        image = augment.load(str(sample.sharp_path if sharp else sample.path), _LOADED)
        mask = self.masks.square(at) if sharp else self.masks.whole(at)
        # Copies, since Pillow's arrays are read-only and torch warns of those.
        pixels, shares = segment_views.view(image, mask, self.size, rng, self.strength)
        return np.array(pixels), np.array(shares)


def _loader(samples: Sequence[Sample], masks: MaskStore, config: SegmentConfig, epoch: int) -> Iterator[list[Tensor]]:
    draws = _Draws(samples, masks, config, epoch)
    return batches(draws, len(draws), config.batch, config.workers, ALONE)


def _batch_loss(network: nn.Module, batch: list[Tensor]) -> Tensor:
    pixels, masks = batch
    with ALONE.autocast():
        logits = network(pixels)
    return soft_jaccard_loss(logits.float(), masks.float() / 255)


@torch.no_grad()
def judge(model: SegmentNet, samples: Sequence[Sample], size: int, batch: int = 32) -> dict[str, float]:
    """Mean Jaccard and mean threshold Jaccard of the network's raw answer at the masks' own size, at a threshold of 1/2."""
    model.eval()
    plain: list[float] = []
    strict: list[float] = []
    for start in range(0, len(samples), batch):
        some = samples[start : start + batch]
        pixels = np.stack([augment.plain(augment.load(str(s.path), _LOADED), size) for s in some])
        logits = model(torch.from_numpy(pixels)).numpy()
        for sample, grid in zip(some, logits, strict=True):
            mask = truth(sample)
            height, width = mask.shape
            found = np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)) > 0
            plain.append(jaccard(found, mask))
            strict.append(threshold_jaccard(found, mask))
    return {"jaccard": round(float(np.mean(plain)), 4), "threshold_jaccard": round(float(np.mean(strict)), 4)}
