"""Fewer bits a weight on the disk: 32, 16 or 8; in memory weights are always float32.

8 bits are symmetric integers with one float32 scale a row (a convolution's or a linear layer's output); what has
less than two dimensions, biases and running statistics, keeps 32 bits, which is little.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from core.errors import LabError

SCALE = ".scale"  # behind a tensor's name: the scales of its rows
LARGEST = 127


def quantize(tensors: Mapping[str, Tensor], bits: int) -> dict[str, Tensor]:
    """The tensors as they are stored with ``bits`` a weight. Raises :class:`LabError` for other than 8, 16 and 32."""
    if bits not in (8, 16, 32):
        raise LabError(f"Weights are stored with 8, 16 or 32 bits, got {bits}.")
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if bits == 32 or not tensor.is_floating_point() or tensor.ndim < 2:
            stored[name] = tensor
        elif bits == 16 or name + SCALE in tensors:  # a name that is taken
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


def _is_scaled(name: str, stored: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is integers with a scale a row."""
    return name + SCALE in stored and name in stored and stored[name].dtype == torch.int8


def _beside(scales: Tensor, rows: Tensor) -> Tensor:
    """Scales (R,) in a shape that multiplies rows (R, …)."""
    return scales.reshape(-1, *[1] * (rows.ndim - 1))
