"""The networks of the GAN attack, one generator and one discriminator a view (AR-DMVC, Table 5).

The generator's last layer is 6 x 6, as the released code has it: the printed 3 x 3 does not return 28 pixels.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.models.base import Shape
from core.types import Views

Networks = TypeVar("Networks", bound=nn.Module)

SMALLEST = 24  # the smallest side, a multiple of 4, that the discriminator's three convolutions leave a pixel of


class PerturbationGenerator(nn.Sequential):
    """A view (B, C, H, W) in [0, 1] to a perturbation of its shape in [-1, 1]; H and W are multiples of 4."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            *(nn.Conv2d(channels, 8, 3), nn.InstanceNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, 16, 3, stride=2), nn.InstanceNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2), nn.InstanceNorm2d(32), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 3, stride=2, bias=False), nn.InstanceNorm2d(16), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 8, 3, stride=2, bias=False), nn.InstanceNorm2d(8), nn.ReLU()),
            *(nn.ConvTranspose2d(8, channels, 6, bias=False), nn.Tanh()),
        )


class Discriminator(nn.Sequential):
    """A view (B, C, H, W) to the probability (B,) that it is clean: the mean of a map of logits, squashed."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            *(nn.Conv2d(channels, 8, 4, stride=2), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(8, 16, 4, stride=2), nn.BatchNorm2d(16), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(16, 32, 4, stride=2), nn.BatchNorm2d(32), nn.LeakyReLU(0.2)),
            nn.Conv2d(32, 1, 1),
        )

    def forward(self, view: Tensor) -> Tensor:
        """(B, C, H, W) to (B,)."""
        return torch.sigmoid(super().forward(view).mean(dim=(1, 2, 3)))


class Generators(nn.ModuleList):
    """One perturbation generator a view."""

    def forward(self, views: Views) -> Views:
        """V x (B, C, H, W) to raw perturbations of the same shapes, in [-1, 1], before any budget."""
        return tuple(generator(view) for generator, view in zip(self, views, strict=True))


def make_generators(
    view_shapes: Sequence[Shape], *, weight_std: float, generator: torch.Generator, device: torch.device
) -> Generators:
    """Untrained generators with N(0, ``weight_std``²) weights and zero biases.

    The released code starts at 1.0, which saturates the tanh; its ancestor AdvGAN at 0.02.
    Raises :class:`LabError` for sizes that the network does not return.
    """
    return _draw_weights(Generators(_make(PerturbationGenerator, view_shapes)), weight_std, generator).to(device)


def make_discriminators(
    view_shapes: Sequence[Shape], *, weight_std: float, generator: torch.Generator, device: torch.device
) -> nn.ModuleList:
    """Untrained discriminators, drawn as :func:`make_generators`."""
    return _draw_weights(nn.ModuleList(_make(Discriminator, view_shapes)), weight_std, generator).to(device)


def _make(network: Callable[[int], nn.Module], view_shapes: Sequence[Shape]) -> list[nn.Module]:
    for _, height, width in view_shapes:
        if height % 4 or width % 4 or min(height, width) < SMALLEST:
            raise LabError(
                f"The generator needs sides that are multiples of 4 and at least {SMALLEST} pixels, "
                f"got {height} x {width}."
            )
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation, replaced below, draws from the global one
        return [network(channels) for channels, _, _ in view_shapes]


def _draw_weights(networks: Networks, std: float, generator: torch.Generator) -> Networks:
    with torch.no_grad():
        for module in networks.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.weight.normal_(0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
    return networks
