"""Depthwise convolutions whose gradients are quick on a processor in 16-bit floats.

In these the library's gradients of strided and of 5 x 5 depthwise convolutions take ten to fifty times the
forward pass, half of a training step. Both can be written with its quick kernels: the gradient of a strided input is a
plain convolution of the gradient with zeros put between its values, and a 5 x 5 weight gradient is four 3 x 3 ones.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class Depthwise(nn.Module):
    """A depthwise convolution over (n, c, h, w), one k x k filter a channel (k is 3 or 5), stride 1 or 2.

    ``before`` and ``after`` are the zeros put before the first and after the last row and column.
    """

    def __init__(self, weight: nn.Parameter, stride: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = weight
        self.stride = stride
        self.padding = (before, after)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c, ceil(h / stride), ceil(w / stride)) when padded to keep the size."""
        before, after = self.padding
        padded = functional.pad(x, (before, after, before, after)) if before or after else x
        # The library's own gradients are quick on a GPU, and in 32 bits.
        if not self.training or x.is_cuda or not torch.is_autocast_enabled("cpu"):
            return functional.conv2d(padded, self.weight, None, self.stride, groups=len(self.weight))
        return cast(Tensor, _Quick.apply(padded, self.weight, self.stride))  # type: ignore[no-untyped-call]


class _Quick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        low = torch.get_autocast_dtype("cpu")
        x = x.to(low)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight.to(low), None, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        return (
            input_gradient(grad, weight.to(grad.dtype), x, ctx.stride),
            weight_gradient(grad, weight, x, ctx.stride),
            None,
        )


def input_gradient(grad: Tensor, weight: Tensor, x: Tensor, stride: int) -> Tensor:
    """Gradient for the (padded) input ``x`` (n, c, h, w) of ``grad`` (n, c, h', w')."""
    if stride == 1:
        return _gradients(grad, x, weight, 1, (True, False))[0]
    n, c, high, wide = grad.shape
    spread = torch.zeros((n, c, (high - 1) * stride + 1, (wide - 1) * stride + 1), dtype=grad.dtype).contiguous(
        memory_format=torch.channels_last
    )
    spread[:, :, ::stride, ::stride] = grad
    k = weight.shape[-1]
    # What is left of the input past the last filter has no gradient.
    down, across = (x.shape[axis] - spread.shape[axis] - (k - 1) for axis in (2, 3))
    edged = functional.pad(spread, (k - 1, k - 1 + across, k - 1, k - 1 + down))
    return functional.conv2d(edged, weight.flip(2, 3), None, 1, groups=c)


def weight_gradient(grad: Tensor, weight: Tensor, x: Tensor, stride: int) -> Tensor:
    """Gradient for ``weight`` (c, 1, k, k) of ``grad`` (n, c, h', w') at the (padded) input ``x`` (n, c, h, w)."""
    k = weight.shape[-1]
    if k == 3:
        return _gradients(grad, x, weight, stride, (False, True))[1]
    if stride == 1:
        return _by_blocks(grad, x)
    made = torch.zeros(weight.shape, dtype=weight.dtype)
    high, wide = grad.shape[2:]
    for row in range(stride):
        for column in range(
            stride
        ):  # every second row and column is a convolution of stride 1 with every second weight
            part = x[:, :, row::stride, column::stride]
            short = (0, max(wide + 2 - part.shape[3], 0), 0, max(high + 2 - part.shape[2], 0))
            found = _three(grad, functional.pad(part, short)[:, :, : high + 2, : wide + 2])
            slot = made[:, :, row::stride, column::stride]
            slot.copy_(found[:, :, : slot.shape[2], : slot.shape[3]])
    return made


def _by_blocks(grad: Tensor, x: Tensor) -> Tensor:
    """The 5 x 5 weight gradient of stride 1, from 3 x 3 ones that meet in the middle."""
    high, wide = grad.shape[2:]
    made = torch.empty((x.shape[1], 1, 5, 5))
    for row in (0, 2):
        for column in (0, 2):
            part = x[:, :, row : row + high + 2, column : column + wide + 2]
            made[:, :, row : row + 3, column : column + 3] = _three(grad, part)
    return made


def _three(grad: Tensor, x: Tensor) -> Tensor:
    weight = torch.empty((x.shape[1], 1, 3, 3), dtype=x.dtype)
    return _gradients(grad, x.contiguous(memory_format=torch.channels_last), weight, 1, (False, True))[1]


def _gradients(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    made = torch.ops.aten.convolution_backward(
        grad, x, weight.to(x.dtype), None, [stride] * 2, [0, 0], [1, 1], False, [0, 0], x.shape[1], [*wanted, False]
    )
    return made[0], made[1].to(weight.dtype) if wanted[1] else made[1]


def quicken(network: nn.Module) -> None:
    """Replace the depthwise convolutions with k = 3 or 5 of an EfficientNet-Lite in place; weights keep their names."""
    for name, module in list(network.named_modules()):
        pad = getattr(module, "static_padding", None)
        if not isinstance(module, nn.Conv2d) or module.groups < 2 or module.kernel_size[0] not in (3, 5):
            continue
        before, after = (pad.padding[0], pad.padding[1]) if isinstance(pad, nn.ZeroPad2d) else (module.padding[0],) * 2
        parent, _, last = name.rpartition(".")
        setattr(
            network.get_submodule(parent),
            last,
            Depthwise(nn.Parameter(module.weight), module.stride[0], int(before), int(after)),
        )
