"""LARS (You et al., 2017) as contrastive learning uses it: SGD whose steps fit the size of each layer's weights."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

TRUST = 0.02  # solo-learn's, with clipping
MOMENTUM = 0.9


class Lars(Optimizer):
    """Biases and batch norm keep SGD's own step and decay nothing."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, *, weight_decay: float) -> None:
        super().__init__(list(parameters), {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step; a closure is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: Tensor, rate: float, decay: float) -> None:
        change = parameter.grad
        assert change is not None
        if parameter.ndim > 1:
            change = change + decay * parameter
            size, slope = parameter.norm(), change.norm()
            fitting = torch.where((size > 0) & (slope > 0), TRUST * size / slope.clamp_min(1e-12), 1.0)
            change = change * (fitting / rate).clamp_max(1) if rate > 0 else change
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros(parameter.shape).to(parameter)
        state["momentum_buffer"].mul_(MOMENTUM).add_(change)
        parameter.sub_(rate * state["momentum_buffer"])
