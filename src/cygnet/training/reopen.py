"""A packaged network as weights that training can go on from.

A package keeps no batch normalisation: each is folded into the convolution before it, and weights have 7 or 16 bits. Here every
normalisation is given the statistics that its convolution has on real images, and the scale and shift that undo them, so that
the network answers as the packaged one does and still learns as one that was never folded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cygnet.errors import InputError, ModelError
from cygnet.models.registry import find, names
from cygnet.models.stored import read_network
from cygnet.training import augment
from cygnet.training.checkpoint import save
from cygnet.training.depthwise import Depthwise
from cygnet.training.sources import Sample

#: What an exporter may have put before the names of the weights.
_WRAPPED: Final = "net."
#: What stands before the names of a member of joined networks (``joining.Graph``).
_MEMBER: Final = re.compile(r"m\d+/")
#: Images whose statistics are taken, and how many at once.
_EXAMPLES: Final = 256
_BATCH: Final = 32

Values = dict[str, NDArray[np.float32]]


def reopen(network: Path, model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give ``model`` the weights of the packaged ``network`` (ONNX), or of the first of joined networks that is like it; changed in place.

    ``batches`` are pixels as the network takes them, a few hundred images: the statistics of its normalisations.

    Raises
    ------
    ModelError
        If the file holds another network than ``model``.
    """
    pixels = list(batches)
    folded = _folded(model, pixels[0][:2])
    inside = {f"{norm}.{name}" for norm in folded.values() for name in ("weight", "bias")}
    outside = {name: parameter for name, parameter in model.named_parameters() if name not in inside}
    held = members(network)
    stored = next((member for member in held if not any(_unlike(member, *item) for item in outside.items())), held[0])
    with torch.no_grad():
        for name, parameter in outside.items():
            parameter.copy_(_fitting(stored, name, parameter, network))
        norms = {conv: model.get_submodule(norm) for conv, norm in folded.items()}
        shifts = {}
        for conv, norm in norms.items():
            assert isinstance(norm, nn.BatchNorm2d)
            shifts[conv] = _fitting(stored, f"{conv}.weight_bias", norm.bias, network)
            _set(norm, torch.zeros_like(norm.bias), torch.ones_like(norm.bias) - norm.eps, shifts[conv])
        found = _statistics(model, list(norms.values()), pixels)
        for (conv, norm), (mean, variance) in zip(norms.items(), found, strict=True):
            assert isinstance(norm, nn.BatchNorm2d)
            _set(norm, mean, variance, shifts[conv] + mean)


def start_file(start: str, model: Callable[[], nn.Module], samples: Sequence[Sample], size: int, out: Path) -> str:
    """The file of weights that a run starts with; none for an empty ``start``.

    ``start`` is such a file, or the name of a packaged model, which is reopened into ``out/start.pt``, once, with the
    statistics of 256 training images at ``size`` pixels.

    Raises
    ------
    InputError
        If there is neither such a file nor such a model.
    ModelError
        If the model is another kind of network than ``model()``.
    """
    if not start or Path(start).is_file():
        return start
    if start not in names():
        raise InputError(
            f"{start}: no such file; --start names the weights.pt of an earlier run, or one of {', '.join(names())}"
        )
    out.mkdir(parents=True, exist_ok=True)
    path = out / "start.pt"
    if not path.exists():
        net = model()
        reopen(find(start).network, net, _examples(samples, size))
        save(net.state_dict(), path)
    return str(path)


def _examples(samples: Sequence[Sample], size: int) -> list[Tensor]:
    training = [s for s in samples if s.split == "train"]
    chosen = np.random.default_rng(0).choice(len(training), min(_EXAMPLES, len(training)), replace=False)
    pixels = np.stack([augment.plain(augment.load(str(training[i].path), size), size) for i in chosen])
    return [torch.from_numpy(pixels[i : i + _BATCH]) for i in range(0, len(pixels), _BATCH)]


def members(network: Path) -> list[Values]:
    """The weights of a packaged network by name, widened to 32 bits; where it is several that were joined, those of each."""
    apart: dict[str, dict[str, NDArray[Any]]] = {}
    for tensor in onnx.load_from_string(read_network(network)).graph.initializer:
        member = _MEMBER.match(tensor.name)
        name = tensor.name[member.end() :] if member else tensor.name
        mine = apart.setdefault(member.group() if member else "", {})
        mine[name.removesuffix("_half")] = onnx.numpy_helper.to_array(tensor)
    joined = [prefix for prefix in apart if prefix]
    return [_widened(apart[prefix]) for prefix in joined or apart]


def _widened(stored: dict[str, NDArray[Any]]) -> Values:
    found: Values = {}
    for name, value in stored.items():
        plain = name.removesuffix("_quantized")
        scale = stored.get(f"{plain}_scale", stored.get(f"{name}_scale"))
        if plain != name and scale is not None:
            wide = np.asarray(scale, np.float32)
            value = value * (wide.reshape(-1, *[1] * (value.ndim - 1)) if wide.ndim else wide)
        found[plain.removeprefix(_WRAPPED)] = np.array(value, np.float32)
    return found


def _unlike(stored: Values, name: str, like: Tensor) -> bool:
    return name not in stored or stored[name].shape != tuple(like.shape)


def _fitting(stored: Values, name: str, like: Tensor, network: Path) -> Tensor:
    if _unlike(stored, name, like):
        raise ModelError(f"{network}: holds another network (no {name} of shape {tuple(like.shape)})")
    return torch.from_numpy(stored[name])


def _set(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, bias: Tensor) -> None:
    """Statistics, and a scale that undoes their division."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))
    norm.bias.copy_(bias)


@torch.no_grad()
def _folded(model: nn.Module, pixels: Tensor) -> dict[str, str]:
    """Which normalisation follows which convolution, by name."""
    names = {module: name for name, module in model.named_modules()}
    made: dict[int, str] = {}
    kept: list[Tensor] = []
    pairs: dict[str, str] = {}

    def leaves(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            kept.append(output)  # so that no other tensor gets its address
            made[id(output)] = names[module]

    def enters(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pairs[made[id(inputs[0])]] = names[module]

    hooks = []
    for module in names:
        if isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(enters))
        elif isinstance(module, nn.Conv2d | Depthwise):
            hooks.append(module.register_forward_hook(leaves))
    model.eval()
    model(pixels)
    for hook in hooks:
        hook.remove()
    return pairs


@torch.no_grad()
def _statistics(model: nn.Module, norms: list[nn.Module], batches: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of each channel that enters each of ``norms``, over all batches."""
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def enters(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        sums[module].append(torch.stack([x.mean(dim=(0, 2, 3)), (x * x).mean(dim=(0, 2, 3))]) * len(x))

    hooks = [norm.register_forward_pre_hook(enters) for norm in norms]
    model.eval()
    for batch in batches:
        model(batch)
    for hook in hooks:
        hook.remove()
    number = sum(len(batch) for batch in batches)
    found = []
    for norm in norms:
        mean, square = torch.stack(sums[norm]).sum(dim=0) / number
        found.append((mean.float(), (square - mean * mean).clamp_min(1e-6).float()))
    return found
