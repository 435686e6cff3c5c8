"""The segmentation network: an EfficientNet-Lite and a small decoder on top.

The decoder adds what each stage of the backbone knows at its own resolution, coarse to fine (Lin et al. 2017, feature
pyramids), down to half the input's side. It takes a quarter of the backbone's arithmetic, so that both together cost about
what the lesion network costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.errors import InputError
from cygnet.training.network import build, scaled

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
        self._ends = _stage_ends(backbone)
        blocks = cast(Any, backbone)._blocks
        channels = [blocks[end]._project_conv.out_channels for end in reversed(self._ends)]
        self.top = nn.Conv2d(channels[0], _WIDTHS[0], 1)
        self.overall = nn.Linear(channels[0], _WIDTHS[0])
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels[1:], _WIDTHS, strict=False))
        self.smooth = nn.ModuleList(_smooth(a, b) for a, b in pairwise(_WIDTHS))
        self.head = nn.Conv2d(_WIDTHS[-1], 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of a batch of pixels."""
        *fine, deep = _stages(self.backbone, scaled(pixels), self._ends)
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


def build_segment(*, pretrained: bool = True, backbone: str = "lite0") -> SegmentNet:
    """A fresh network, its backbone from ImageNet weights unless ``pretrained`` is false; ``backbone`` as for ``build``."""
    trunk = cast(Any, build(1, pretrained=pretrained, backbone=backbone).backbone)
    del trunk._conv_head, trunk._bn1
    net = SegmentNet(trunk)
    cast(Any, net).to(memory_format=torch.channels_last)
    return net


def of_lesions(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a lesion network, whose head gives numbers instead of maps."""
    return "head.weight" in weights and weights["head.weight"].ndim == 2


def begin_with(net: SegmentNet, weights: Mapping[str, Tensor], source: str) -> None:
    """Give ``net`` the weights of an outline network, or the backbone of a lesion network; changed in place.

    Raises
    ------
    InputError
        If they are those of neither, or of another backbone; ``source`` is where they came from.
    """
    own = net.state_dict()
    wanted = [name for name in own if not of_lesions(weights) or name.startswith("backbone.")]
    unlike = [n for n in wanted if n not in weights or weights[n].shape != own[n].shape]
    if unlike:
        raise InputError(
            f"{source}: holds another network ({unlike[0]} is missing or of another shape); name the weights of an outline or "
            "lesion run with the same --backbone"
        )
    net.load_state_dict({**own, **{name: weights[name] for name in wanted}})


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


def _stage_ends(backbone: nn.Module) -> tuple[int, ...]:
    """Index of the last block of each resolution, strides 2, 4, 8, 16 and 32."""
    blocks = cast(Any, backbone)._blocks
    halves = [index for index, block in enumerate(blocks) if block._depthwise_conv.stride == 2]
    return (*(index - 1 for index in halves), len(blocks) - 1)


def _stages(backbone: nn.Module, x: Tensor, ends: tuple[int, ...]) -> list[Tensor]:
    """The backbone's maps after the blocks ``ends``."""
    trunk = cast(Any, backbone)
    x = trunk._swish(trunk._bn0(trunk._conv_stem(x)))
    found = []
    for index, block in enumerate(trunk._blocks):
        x = block(x)
        if index in ends:
            found.append(x)
    return found


def _smooth(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU6())
