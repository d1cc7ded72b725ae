"""PyTorch's default initialisation, drawn from a generator instead of the global one."""

import math

import torch
from torch import nn


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution's and linear layer's weights anew, on the CPU: same generator, same model.

    Kaiming-uniform weights and uniform biases, both in ±1/√fan_in, as ``nn.Conv2d`` and ``nn.Linear`` start.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
                nn.init.uniform_(module.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)
