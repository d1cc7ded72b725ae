"""Fewer bits a weight on the disk: 32, 16 or 8; in memory weights are always float32.

8 bits are symmetric integers with one float32 scale a row (a convolution's or a linear layer's output); what has
less than two dimensions, biases and running statistics, keeps 32 bits, which is little. A layer that can bear 8 bits
may be stored with them where the others cannot.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from core.errors import LabError

SCALE = ".scale"  # behind a tensor's name: the scales of its rows
LARGEST = 127
WORTH_IT = 20_000  # weights of a layer for which 8 bits are tried on its own


def quantize(tensors: Mapping[str, Tensor], bits: int, narrow: Collection[str] = ()) -> dict[str, Tensor]:
    """The tensors as they are stored with ``bits`` a weight, those named in ``narrow`` with 8.

    Raises :class:`LabError` for other bits than 8, 16 and 32.
    """
    if bits not in (8, 16, 32):
        raise LabError(f"Weights are stored with 8, 16 or 32 bits, got {bits}.")
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        wanted = 8 if name in narrow else bits
        if wanted == 32 or not tensor.is_floating_point() or tensor.ndim < 2:
            stored[name] = tensor
        elif wanted == 16 or name + SCALE in tensors:  # a name that is taken
            stored[name] = tensor.half()
        else:
            scales = (tensor.flatten(1).abs().amax(dim=1) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
            stored[name + SCALE] = scales
            stored[name] = (tensor / _beside(scales, tensor)).round().to(torch.int8)
    return stored


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 tensors of what :func:`quantize` made of them."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE) and _is_scaled(name.removesuffix(SCALE), stored):
            continue
        if _is_scaled(name, stored):
            tensor = tensor.float() * _beside(stored[name + SCALE], tensor)
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def find_narrow(
    tensors: Mapping[str, Tensor], bits: int, holds: Callable[[Mapping[str, Tensor]], bool]
) -> frozenset[str]:
    """The large layers that bear 8 bits while the others have ``bits``, tried one after the other, largest first.

    ``holds`` says of float32 tensors whether they are still as good.
    """
    narrow: frozenset[str] = frozenset()
    for name in sorted(tensors, key=lambda name: -tensors[name].numel()):
        large = tensors[name].ndim > 1 and tensors[name].numel() >= WORTH_IT
        if large and holds(dequantize(quantize(tensors, bits, narrow | {name}))):
            narrow |= {name}
    return narrow


def _is_scaled(name: str, stored: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is integers with a scale a row."""
    return name + SCALE in stored and name in stored and stored[name].dtype == torch.int8


def _beside(scales: Tensor, rows: Tensor) -> Tensor:
    """Scales (R,) in a shape that multiplies rows (R, …)."""
    return scales.reshape(-1, *[1] * (rows.ndim - 1))
