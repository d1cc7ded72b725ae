"""ALRDC's attack: networks that perturb the latent, one for each γ, trained against one target (Yang et al., 2020).

It changes no pixel, keeps no budget and is therefore none of ATTACKS: γ weighs how much the assignment is to change
against how far the decoded pictures move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from core.attacks.base import still
from core.errors import LabError
from core.losses.latent import attack_terms
from core.models.base import LatentModel, Shape
from core.types import LossTerms, Views

WIDTHS = (1024, 512)  # released; nothing bends between the layers, so that the network is a linear map


class PerturbationNetworks(nn.Module):
    """For each γ a linear map from the pictures V x (N, C, H, W) to δ (N, D), in several layers while it is trained.

    With no ``widths`` it has one layer, as it is stored: the same map, with a fraction of the weights.
    """

    def __init__(
        self, view_shapes: Sequence[Shape], latent: int, gammas: Sequence[float], *, widths: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.gammas = tuple(gammas)
        sizes = [sum(prod(shape) for shape in view_shapes), *widths, latent]
        self.networks = nn.ModuleList(
            nn.Sequential(*(nn.Linear(n_inputs, n_outputs) for n_inputs, n_outputs in pairwise(sizes))) for _ in gammas
        )

    def forward(self, views: Views) -> tuple[Tensor, ...]:
        """δ (N, D) for each γ."""
        pixels = flat(views)
        return tuple(network(pixels) for network in self.networks)

    def of(self, gamma: float) -> nn.Module:
        """The network of one γ alone: views to δ (N, D). Raises :class:`LabError` naming those there are."""
        if gamma not in self.gammas:
            choices = ", ".join(f"{choice:g}" for choice in self.gammas)
            raise LabError(f"No perturbation network was trained for γ = {gamma:g}. There are those of γ = {choices}.")
        return nn.Sequential(_Pixels(), self.networks[self.gammas.index(gamma)])

    @torch.no_grad()
    def leave_training_behind(self) -> None:
        """Become one layer a γ: the product of all."""
        self.networks = nn.ModuleList(nn.Sequential(_product(network)) for network in self.networks)


class _Pixels(nn.Module):
    """Views V x (N, C, H, W) as rows (N, P)."""

    def forward(self, views: Views) -> Tensor:
        return flat(views)


def flat(views: Views) -> Tensor:
    """All pixels of views V x (N, C, H, W) in a row a sample, (N, P)."""
    return torch.cat([view.flatten(1) for view in views], dim=1)


def _product(network: nn.Module) -> nn.Linear:
    """The linear layer that does what those of a network do one after the other."""
    first, *others = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    weight, bias = first.weight.double(), first.bias.double()
    for layer in others:
        weight, bias = layer.weight.double() @ weight, layer.weight.double() @ bias + layer.bias
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
    return linear


@dataclass(frozen=True, kw_only=True)
class LatentObjective:
    """What the networks minimise together, each for its own γ. The target is queried, never changed."""

    target: LatentModel
    networks: PerturbationNetworks
    picture_weight: float
    size_weight: float

    def terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """The three terms of each γ, added up: the networks share no weight, so that each has its own minimum."""
        target = still(self.target)
        with torch.no_grad():
            encoding = target.encode(views)
            noise = target.draw(encoding, generator)  # the same for both branches
            decoded = target.decode(encoding.fused + noise)
        sums: LossTerms = {}
        for gamma, delta in zip(self.networks.gammas, self.networks(views), strict=True):
            latent = encoding.fused + delta
            terms = attack_terms(
                flat(decoded),
                flat(target.decode(latent + noise)),
                encoding.probs,
                target.assign(latent),
                delta,
                gamma=gamma,
                picture_weight=self.picture_weight,
                size_weight=self.size_weight,
            )
            sums = {name: sums.get(name, 0) + term for name, term in terms.items()}
        return sums


def random_perturbation(delta: Tensor, generator: torch.Generator) -> Tensor:
    """A control: random directions of the same length, sample by sample, (N, D)."""
    noise = torch.randn(delta.shape, generator=generator, device=generator.device).to(delta)
    lengths = torch.linalg.vector_norm(noise, dim=1, keepdim=True)
    control: Tensor = noise * torch.linalg.vector_norm(delta, dim=1, keepdim=True) / lengths
    return control
