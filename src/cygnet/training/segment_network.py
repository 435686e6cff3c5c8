"""The segmentation network: EfficientNet-Lite0 from ImageNet weights and a small decoder on top.

The decoder adds what each stage of the backbone knows at its own resolution, coarse to fine (Lin et al. 2017, feature
pyramids), down to half the input's side. It takes a quarter of the backbone's arithmetic, so that both together cost about
what the lesion network costs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.training.network import build, scaled

#: Index of the last block of each resolution (strides 2, 4, 8, 16, 32) and its channels.
_STAGES = {0: 16, 2: 24, 4: 40, 10: 112, 15: 320}
#: Channels of the decoder at strides 32, 16, 8, 4, 2.
_WIDTHS = (64, 48, 32, 24, 16)


class SegmentNet(nn.Module):
    """Pixels to the logit of "lesion" on a grid of half the side.

    ``forward(pixels)`` takes (n, size, size, 3) uint8, size a multiple of 32, and returns (n, size / 2, size / 2)
    float32. Scaling to [-1, 1] is part of the network.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        channels = [*reversed(_STAGES.values())]
        self.top = nn.Conv2d(channels[0], _WIDTHS[0], 1)
        self.overall = nn.Linear(channels[0], _WIDTHS[0])
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels[1:], _WIDTHS, strict=False))
        self.smooth = nn.ModuleList(_smooth(a, b) for a, b in pairwise(_WIDTHS))
        self.head = nn.Conv2d(_WIDTHS[-1], 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of a batch of pixels."""
        *fine, deep = _stages(self.backbone, scaled(pixels))
        # What the whole picture says, so that a place can be told from skin by its company.
        x = self.top(deep) + self.overall(deep.mean(dim=(2, 3)))[:, :, None, None]
        for lateral, smooth, skip in zip(self.lateral, self.smooth, reversed(fine), strict=True):
            x = smooth(functional.interpolate(x, scale_factor=2, mode="nearest") + lateral(skip))
        return cast(Tensor, self.head(x)[:, 0].float())


class Probability(nn.Module):
    """A segmentation network that ends in probabilities, as it is shipped."""

    def __init__(self, net: SegmentNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """Probability of "lesion": (n, size / 2, size / 2) float32 in [0, 1]."""
        return torch.sigmoid(self.net(pixels))


def build_segment(*, pretrained: bool = True) -> SegmentNet:
    """A fresh network, its backbone from ImageNet weights unless ``pretrained`` is false."""
    backbone = cast(Any, build(1, pretrained=pretrained).backbone)
    del backbone._conv_head, backbone._bn1
    net = SegmentNet(backbone)
    cast(Any, net).to(memory_format=torch.channels_last)
    return net


def soft_jaccard_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus one minus the Jaccard index, for soft truths: a number.

    ``logits`` (n, h, w), ``truth`` (n, h, w) in [0, 1]. The Jaccard index of soft sets is (|a| + |b| - |a - b|) / (|a| +
    |b| + |a - b|), which is 1 exactly when they are the same (Wang et al. 2023, Jaccard metric losses); of each image,
    then averaged.
    """
    found = torch.sigmoid(logits)
    apart = (found - truth).abs().sum((1, 2))
    together = found.sum((1, 2)) + truth.sum((1, 2))
    jaccard = (together - apart + 1) / (together + apart + 1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + 1 - jaccard.mean()


def _stages(backbone: nn.Module, x: Tensor) -> list[Tensor]:
    """The backbone's maps at strides 2, 4, 8, 16 and 32."""
    trunk = cast(Any, backbone)
    x = trunk._swish(trunk._bn0(trunk._conv_stem(x)))
    found = []
    for index, block in enumerate(trunk._blocks):
        x = block(x)
        if index in _STAGES:
            found.append(x)
    return found


def _smooth(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU6())
