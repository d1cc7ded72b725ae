"""Fewer bits a weight on the disk: 32, 16 or 8; in memory weights are always float32.

8 and 16 bits are symmetric integers with one float32 scale a row (a convolution's or a linear layer's output), or with
8 bits a scale for every 64 weights of a row, which is closer and half a bit more; what has less than two dimensions,
biases and running statistics, keeps 32 bits, which is little. A layer that can bear 8 bits may be stored with them
where the others cannot. Older checkpoints have 16 bits as half precision, coarser for all but a row's smallest.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from core.errors import LabError

SCALE = ".scale"  # behind a tensor's name: the scales of its rows
INTEGERS = {8: torch.int8, 16: torch.int16}
GROUP = 64  # weights with a scale of their own in a narrow layer
WORTH_IT = 20_000  # weights of a layer for which 8 bits are tried on its own


def quantize(tensors: Mapping[str, Tensor], bits: int, narrow: Collection[str] = ()) -> dict[str, Tensor]:
    """The tensors as they are stored with ``bits`` a weight, those named in ``narrow`` with 8 and a scale for 64.

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
        elif name + SCALE in tensors:  # a name that is taken
            stored[name] = tensor.half()
        else:
            integers = INTEGERS[wanted]
            scales = _scales(tensor, integers, GROUP if name in narrow else 0)
            stored[name + SCALE] = scales
            stored[name] = _scaled(tensor, 1 / scales).round().to(integers)
    return stored


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 tensors of what :func:`quantize` made of them."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE) and _is_scaled(name.removesuffix(SCALE), stored):
            continue
        if _is_scaled(name, stored):
            tensor = _scaled(tensor.float(), stored[name + SCALE])
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
    """Whether a tensor is integers with scales for its rows or for equal parts of them."""
    rows, scales = stored.get(name), stored.get(name + SCALE)
    if rows is None or scales is None or rows.dtype not in INTEGERS.values() or scales.ndim not in (1, 2):
        return False
    return len(rows) == len(scales) > 0 and scales[0].numel() > 0 and rows[0].numel() % scales[0].numel() == 0


def _scales(tensor: Tensor, integers: torch.dtype, group: int) -> Tensor:
    """One scale a row, (R,), or one for each ``group`` weights of a row, (R, G), where rows divide into groups."""
    rows = tensor.flatten(1)
    if group and rows.shape[1] % group == 0:
        rows = rows.unflatten(1, (-1, group))
    return (rows.abs().amax(dim=-1) / torch.iinfo(integers).max).clamp_min(torch.finfo(torch.float32).tiny)


def _scaled(tensor: Tensor, scales: Tensor) -> Tensor:
    """The tensor (R, …) multiplied by scales (R,), or by (R, G) of the G equal parts of every row."""
    parts: Tensor = tensor.flatten(1).unflatten(1, (scales[0].numel(), -1))
    return (parts * scales.reshape(*parts.shape[:2], 1)).reshape(tensor.shape)
