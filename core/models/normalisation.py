"""Batch norm with a set of weights and statistics for each kind of input (dual batch norm; Xie et al., CVPR 2020).

Clean and attacked pictures have different statistics; adversarial contrastive learning gives each its own set.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

CLEAN, ADVERSARIAL = 0, 1  # places of the sets


class SeveralBatchNorms(nn.Module):
    """A batch norm for each set, of which one is ``active``: the last, unless :func:`normalised_by` says another."""

    def __init__(self, n_channels: int, n_sets: int) -> None:
        super().__init__()
        self.sets = nn.ModuleList(nn.BatchNorm2d(n_channels) for _ in range(n_sets))
        self.active = n_sets - 1

    def forward(self, rows: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        outputs: Tensor = self.sets[self.active](rows)
        return outputs


def give_sets(network: nn.Module, n_sets: int) -> None:
    """Put as many sets in the place of every batch norm of a network."""
    for name, module in list(network.named_children()):
        if isinstance(module, nn.BatchNorm2d):
            setattr(network, name, SeveralBatchNorms(module.num_features, n_sets))
        else:
            give_sets(module, n_sets)


@contextmanager
def normalised_by(network: nn.Module, place: int) -> Iterator[None]:
    """Use the set at ``place``, or the last one where there are fewer. Not for a network that threads share."""
    norms = [module for module in network.modules() if isinstance(module, SeveralBatchNorms)]
    before = [norm.active for norm in norms]
    for norm in norms:
        norm.active = min(place, len(norm.sets) - 1)
    try:
        yield
    finally:
        for norm, active in zip(norms, before, strict=True):
            norm.active = active


def spread_first_set(network: nn.Module) -> None:
    """Give every set what the first has learned."""
    for norm in network.modules():
        if isinstance(norm, SeveralBatchNorms):
            first, *others = norm.sets
            for other in others:
                other.load_state_dict(first.state_dict(), strict=True)
