"""Random changes of a training batch that keep what is in the pictures."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from core.registry import Registry
from core.training import Augmentation
from core.types import Views

LARGEST_SHIFT = 2  # pixels
BORDER = 4


def shift(views: Views, generator: torch.Generator) -> Views:
    """Move every picture of V x (B, C, H, W) by up to 2 pixels each way, edges repeated, each view on its own."""
    return tuple(_shift_view(view, generator) for view in views)


def crop_and_flip(views: Views, generator: torch.Generator) -> Views:
    """CIFAR's: 4 pixels of black on every side, a random cut of the old size, mirrored half of the time."""
    return tuple(_crop_view(view, generator) for view in views)


def _crop_view(view: Tensor, generator: torch.Generator) -> Tensor:
    cut = _cut(pad(view, (BORDER,) * 4), view, BORDER, generator)
    mirrored = torch.rand((len(view), 1, 1, 1), generator=generator, device=generator.device).to(view.device) < 0.5
    return torch.where(mirrored, cut.flip(3), cut)


def _shift_view(view: Tensor, generator: torch.Generator) -> Tensor:
    return _cut(pad(view, (LARGEST_SHIFT,) * 4, mode="replicate"), view, LARGEST_SHIFT, generator)


def _cut(padded: Tensor, view: Tensor, border: int, generator: torch.Generator) -> Tensor:
    """A piece as large as ``view`` of what is ``padded`` by a border, at a random place in each sample."""
    n_samples, _, height, width = view.shape
    reach = 2 * border + 1
    moves = torch.randint(reach, (2, n_samples, 1), generator=generator, device=generator.device).to(view.device)
    rows = moves[0] + torch.arange(height, device=view.device)  # (B, H)
    columns = moves[1] + torch.arange(width, device=view.device)  # (B, W)
    samples = torch.arange(n_samples, device=view.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


AUGMENTATIONS: Registry[Augmentation | None] = Registry(
    "augmentation", {"none": lambda: None, "shift": lambda: shift, "crop_and_flip": lambda: crop_and_flip}
)
