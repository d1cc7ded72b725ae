"""Certificates of a nearest-centre classifier (ClusTR, Proposition 1), with the sound rule for several classes.

The prediction stays for every change of the input shorter than the radius, if the Lipschitz constant is a bound.
Shape letters: N samples, D features, J centres, each of one class.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.losses.magnet import squared_distances
from core.models.classifier import Normalise

BATCH = 2048
FIRST_CELLS = 64  # a side
CUTS = 7  # 64 cells a side become 8,192 where it matters


@dataclass(frozen=True, kw_only=True)
class Lipschitz:
    """A number that a network's features change by at most, a unit of l2 change of the input."""

    value: float
    proof: bool  # a bound; otherwise only the steepest place that was found
    method: str  # "product", "cells", "grid"


def radius(features: Tensor, centres: Tensor, centre_classes: Tensor, lipschitz: float) -> Tensor:
    """The certified l2 radius of each sample (N,): the smallest, over all centres of other classes, of
    (d_j - d_i) / (2 L ‖μ_j - μ_i‖), d squared distances and i the nearest centre.

    features (N, D), centres (J, D), centre_classes (J,). The paper's rule looks at the two closest centres alone, and
    is wrong: see :func:`two_closest_radius`. Raises :class:`LabError` unless L is a positive number and there are two
    classes.
    """
    _, own, gaps = _gaps(features, centres, lipschitz)
    other = centre_classes != centre_classes[own][:, None]
    if not bool(other.any(dim=1).all()):
        raise LabError("A certificate needs centres of at least two classes.")
    return gaps.masked_fill(~other, torch.inf).amin(dim=1)


def two_closest_radius(features: Tensor, centres: Tensor, centre_classes: Tensor, lipschitz: float) -> Tensor:
    """The rule as the paper prints it: the same quotient for the nearest centre and the second nearest, of another
    class. It is no certificate for three classes or more: a centre further away may have the nearer border."""
    distances, own, gaps = _gaps(features, centres, lipschitz)
    other = centre_classes != centre_classes[own][:, None]
    second = distances.masked_fill(~other, torch.inf).argmin(dim=1)
    return gaps.gather(1, second[:, None]).squeeze(1)


def _gaps(features: Tensor, centres: Tensor, lipschitz: float) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distances (N, J), the nearest centre (N,), the distance to each border divided by L (N, J)."""
    if not (math.isfinite(lipschitz) and lipschitz > 0):
        raise LabError(f"A Lipschitz constant is a positive number, got {lipschitz}.")
    distances = squared_distances(features, centres)
    own = distances.argmin(dim=1)
    apart = (centres[own][:, None] - centres).square().sum(dim=2).sqrt()  # (N, J)
    nearest = distances.gather(1, own[:, None])
    gaps = (distances - nearest) / (2 * lipschitz * apart.clamp_min(torch.finfo(apart.dtype).tiny))
    return distances, own, gaps


def product_bound(network: nn.Module, shape: tuple[int, int, int]) -> Lipschitz:
    """The product of the layers' spectral norms: a proof, and usually a loose one.

    Convolutions are written out as matrices for pictures of ``shape``, in float64. Raises :class:`LabError` for layers
    whose norm is not known here.
    """
    value, at = 1.0, torch.zeros(1, *shape, dtype=torch.float64)
    for layer in leaves(network):
        if isinstance(layer, nn.Linear):
            value *= spectral_norm(layer.weight.double())
            at = torch.zeros(1, layer.out_features, dtype=torch.float64)
        elif isinstance(layer, nn.Conv2d):
            value *= spectral_norm(_as_matrix(layer, at))
            at = _convolve(layer, at)
        elif isinstance(layer, Normalise):
            value /= float(layer.deviation.min())
        elif isinstance(layer, nn.Flatten):
            at = at.flatten(1)
        elif not isinstance(layer, nn.ReLU):
            raise LabError(f"There is no bound here for a layer {type(layer).__name__}; choose another network.")
    return Lipschitz(value=value, proof=True, method="product")


def cell_bound(network: nn.Module, *, tolerance: float = 0.02) -> Lipschitz:
    """The steepest place of a fully connected ReLU network of two inputs in [0, 1]: a proof for that square.

    The square is cut into cells. In a cell, intervals say which units may switch; what they leave open bounds the
    Jacobian there. Cells that might be steeper than what was seen, by more than ``tolerance``, are cut again.
    """
    weights = parameters(network)
    if weights[0][0].shape[1] != 2:
        raise LabError("The square is cut for networks of two inputs; choose the product of the layers' norms.")
    half = 0.5 / FIRST_CELLS
    ticks = (torch.arange(FIRST_CELLS, dtype=torch.float64) + 0.5) / FIRST_CELLS
    centres, proven, seen = torch.cartesian_prod(ticks, ticks), 0.0, 0.0
    for _ in range(CUTS):
        middle, slack = _slopes(weights, centres, half)
        seen = max(seen, float(middle.max()))
        bound = middle + slack
        again = bound > seen * (1 + tolerance)
        proven = max(proven, float(bound[~again].max())) if bool((~again).any()) else proven
        if not bool(again.any()):
            return Lipschitz(value=max(proven, seen), proof=True, method="cells")
        left, half = centres[again], half / 2
        corners = torch.cartesian_prod(*[torch.tensor([-half, half], dtype=torch.float64)] * 2)
        centres = (left[:, None] + corners).flatten(0, 1)
    middle, slack = _slopes(weights, centres, half)
    return Lipschitz(value=max(proven, float((middle + slack).max())), proof=True, method="cells")


def parameters(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the linear layers, float64, a scaling of the input folded into the first."""
    layers = [(at.weight.double(), at.bias.double()) for at in leaves(network) if isinstance(at, nn.Linear)]
    for scaling in [at for at in leaves(network) if isinstance(at, Normalise)]:
        weight, bias = layers[0]
        scale, mean = 1 / scaling.deviation.double().flatten(), scaling.mean.double().flatten()
        layers[0] = (weight * scale, bias - (weight * scale * mean).sum(dim=1))
    return [(weight.detach(), bias.detach()) for weight, bias in layers]


def _slopes(weights: Sequence[tuple[Tensor, Tensor]], centres: Tensor, half: float) -> tuple[Tensor, Tensor]:
    """A Jacobian's norm somewhere near each cell's middle, and how much larger it can be in the cell, both (N,)."""
    low, high = centres - half, centres + half  # of what enters a layer, (N, ·)
    # Of the Jacobian so far: middle and reach of each entry, (N, ·, 2)
    middle = torch.eye(2, dtype=torch.float64).expand(len(centres), 2, 2)
    reach = torch.zeros_like(middle)
    for i, (weight, bias) in enumerate(weights):
        at, around = (low + high) / 2 @ weight.T + bias, (high - low) / 2 @ weight.abs().T
        low, high = at - around, at + around
        middle, reach = weight @ middle, weight.abs() @ reach
        if i == len(weights) - 1:
            break
        # A unit that may switch multiplies its row by anything from 0 to 1.
        off, on = (high <= 0)[:, :, None], (low >= 0)[:, :, None]
        open_middle, open_reach = middle / 2, middle.abs() / 2 + reach
        zero = torch.zeros_like(middle)
        middle, reach = (
            torch.where(off, zero, torch.where(on, middle, open_middle)),
            torch.where(off, zero, torch.where(on, reach, open_reach)),
        )
        low, high = low.clamp_min(0), high.clamp_min(0)
    return torch.linalg.matrix_norm(middle, ord=2), torch.linalg.matrix_norm(reach)


def grid_bound(network: nn.Module, points: Tensor) -> Lipschitz:
    """The largest spectral norm of the Jacobian at points (N, C, H, W): the steepest place found, and no proof."""

    def features(row: Tensor) -> Tensor:
        mapped: Tensor = network(row[None])[0]
        return mapped

    steepest = 0.0
    for chunk in points.split(BATCH):
        jacobians = torch.func.vmap(torch.func.jacrev(features))(chunk).flatten(2)  # (B, D, P)
        norms = torch.linalg.matrix_norm(jacobians.double(), ord=2)
        steepest = max(steepest, float(norms.detach().max()))
    return Lipschitz(value=steepest, proof=False, method="grid")


def leaves(network: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network that is nothing but layers one after the other."""
    children = list(network.children())
    if not children:
        yield network
    for child in children:
        yield from leaves(child)


def spectral_norm(matrix: Tensor) -> float:
    """The largest singular value of a matrix (R, C)."""
    return float(torch.linalg.matrix_norm(matrix.detach(), ord=2))


def _convolve(layer: nn.Conv2d, pictures: Tensor) -> Tensor:
    convolved: Tensor = nn.functional.conv2d(
        pictures, layer.weight.detach().double(), None, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    return convolved


def _as_matrix(layer: nn.Conv2d, at: Tensor) -> Tensor:
    """The matrix (outputs, inputs) of a convolution of pictures like ``at`` (1, C, H, W)."""
    units = torch.eye(at.numel(), dtype=torch.float64).reshape(-1, *at.shape[1:])
    return torch.cat([_convolve(layer, chunk).flatten(1) for chunk in units.split(BATCH)]).T
