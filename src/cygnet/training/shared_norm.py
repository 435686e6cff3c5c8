"""Batch normalisation over the images of all processes, on processors as well.

torch's own (``SyncBatchNorm``) is for GPUs only. Without it, two processes of 32 images are another run than one of 64.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn import functional as together


class SharedNorm(nn.BatchNorm2d):
    """Normalises (n, c, h, w) by mean and variance over all processes, each of which has as many images.

    Parameters, buffers and answers are those of one ``BatchNorm2d`` that has all images (Ioffe & Szegedy 2015).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) normalised per channel."""
        if not self.training:
            return super().forward(x)
        wide = x if x.dtype == torch.float64 else x.float()
        sums = torch.stack([wide.mean((0, 2, 3)), (wide * wide).mean((0, 2, 3))])
        mean, square = cast(Any, together).all_reduce(sums) / distributed.get_world_size()
        variance = (square - mean * mean).clamp_min(0)
        self._keep(mean.detach(), variance.detach(), x.numel() // x.shape[1] * distributed.get_world_size())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return cast(Tensor, (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype))

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, n: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * n / max(n - 1, 1), share)
        self.num_batches_tracked += 1


def share_norms(model: nn.Module) -> None:
    """Let the batch normalisations of ``model`` see the images of all processes, in place; weights keep their names."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedNorm
