"""Random changes of a training batch that keep what is in the pictures."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

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


def distort(views: Views, generator: torch.Generator, *, strength: float = 1.0) -> Views:
    """What contrast sees as the same digit: turned, sheared, scaled and moved, another brightness, a little noise.

    ``strength`` 0 leaves pictures as they are; 1 is up to 17 degrees, a fifth in scale and shear, 3 of 28 pixels, two
    fifths in brightness, noise of 0.08.
    """
    return tuple(_distort_view(view, generator, strength) for view in views)


def _distort_view(view: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    turn, shear, across, down = (s * strength * _either_way(view, generator) for s in (0.3, 0.2, 0.2, 0.2))
    scale = 1 + 0.2 * strength * _either_way(view, generator)
    cosine, sine = turn.cos() / scale, turn.sin() / scale
    rows = (torch.stack((cosine, shear - sine, across), dim=1), torch.stack((sine, cosine, down), dim=1))
    grid = affine_grid(torch.stack(rows, dim=1), list(view.shape), align_corners=False)
    moved = grid_sample(view, grid, align_corners=False)
    bright = moved * (1 + 0.4 * strength * _either_way(view, generator))[:, None, None, None]
    noise = torch.randn(view.shape, generator=generator, device=generator.device).to(view)
    return (bright + 0.08 * strength * noise).clamp(0, 1)


def colours(views: Views, generator: torch.Generator, *, strength: float = 1.0, jitter: float = 0.5) -> Views:
    """SimCLR's for photographs: a crop of [1 - .92 s, 1] of the area, mirrored, jittered colours, grey, blurred.

    ``strength`` s scales crops and probabilities, as DYNACL does. ``jitter`` is SimCLR's strength of brightness,
    contrast and saturation, 0.8 of it, and of the hue, 0.2 of it; hues turn in YIQ.
    """
    return tuple(_colours_view(view, generator, strength, jitter) for view in views)


def _colours_view(view: Tensor, generator: torch.Generator, strength: float, jitter: float) -> Tensor:
    area = 1 - 0.92 * strength * torch.rand(len(view), generator=generator, device=generator.device).to(view)
    sides = [(area.sqrt() * (_either_way(view, generator) * 0.14 * strength).exp()).clamp_max(1) for _ in range(2)]
    mirror = torch.where(_chance(view, 0.5, generator).flatten(), -1.0, 1.0)
    zero = torch.zeros_like(area)
    centres = [(1 - side) * _either_way(view, generator) for side in sides]
    rows = (torch.stack((mirror * sides[0], zero, centres[0]), dim=1), torch.stack((zero, sides[1], centres[1]), dim=1))
    grid = affine_grid(torch.stack(rows, dim=1), list(view.shape), align_corners=False)
    cropped = grid_sample(view, grid, align_corners=False, padding_mode="reflection")
    jittered = torch.where(_chance(view, 0.8 * strength, generator), _jitter(cropped, generator, jitter), cropped)
    grey = jittered.mean(dim=1, keepdim=True).expand_as(jittered)
    plain = torch.where(_chance(view, 0.2 * strength, generator), grey, jittered)
    blurred = avg_pool2d(pad(plain, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return torch.where(_chance(view, 0.5 * strength, generator), blurred, plain).clamp(0, 1)


def _jitter(view: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    brightness, contrast, saturation, turn = (_either_way(view, generator)[:, None, None, None] for _ in range(4))
    view = view * (1 + 0.8 * strength * brightness)
    view = view.mean(dim=(1, 2, 3), keepdim=True).lerp(view, 1 + 0.8 * strength * contrast)
    if view.shape[1] != 3:
        return view
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]).to(view)
    light, first, second = torch.einsum("ij,bjhw->bihw", yiq, view).split(1, dim=1)
    angle, scale = 0.2 * strength * 2 * torch.pi * turn, 1 + 0.8 * strength * saturation
    turned = (angle.cos() * first - angle.sin() * second, angle.sin() * first + angle.cos() * second)
    back = torch.cat((light, scale * turned[0], scale * turned[1]), dim=1)
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(yiq), back)


def _either_way(view: Tensor, generator: torch.Generator) -> Tensor:
    """A number in [-1, 1) a sample, (B,)."""
    return 2 * torch.rand(len(view), generator=generator, device=generator.device).to(view) - 1


def _chance(view: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Whether it happens to each sample, (B, 1, 1, 1) bool."""
    drawn = torch.rand(len(view), generator=generator, device=generator.device).to(view.device)
    return (drawn < probability)[:, None, None, None]


AUGMENTATIONS: Registry[Augmentation | None] = Registry(
    "augmentation",
    {
        "none": lambda: None,
        "shift": lambda: shift,
        "crop_and_flip": lambda: crop_and_flip,
        "distort": lambda strength=1.0: partial(distort, strength=strength),
        "colours": lambda strength=1.0: partial(colours, strength=strength),
        "strong_colours": lambda strength=1.0: partial(colours, strength=strength, jitter=1.0),
    },
)
