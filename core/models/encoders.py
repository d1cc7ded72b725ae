"""Networks from one view's picture to its embedding."""

from typing import Literal

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.models.base import Shape

Precision = Literal["float32", "bfloat16"]

WIDTH = 64  # channels of every convolution (Table 4)
SMALLEST = 16  # the smallest side that leaves a pixel after two blocks


class ConvolutionalEncoder(nn.Sequential):
    """Table 4's CNN: (N, C, H, W) to (N, D), D = 64 · h · w; 1 x 28 x 28 gives D = 1024.

    Raises :class:`LabError` for pictures smaller than 16 x 16.
    """

    def __init__(self, shape: Shape) -> None:
        channels, height, width = shape
        if min(height, width) < SMALLEST:
            raise LabError(f"Pictures must be at least {SMALLEST} x {SMALLEST} pixels, got {height} x {width}.")
        super().__init__(*_block(channels), *_block(WIDTH), nn.Flatten())
        self.n_outputs = WIDTH * _side(_side(height)) * _side(_side(width))
        self.to(memory_format=torch.channels_last)  # about twice as fast on CPU and GPU, same numbers
        self.half_precision = False  # see use_precision

    def forward(self, view: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D) float32."""
        with torch.autocast(view.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            embedding: Tensor = super().forward(view)
        return embedding.float()


def use_precision(model: nn.Module, precision: Precision) -> None:
    """Let a model's encoders compute in float32, or their convolutions in bfloat16 where the processor is fast at it.

    Weights, batch norm's statistics, heads and losses stay in float32.
    """
    for module in model.modules():
        if isinstance(module, ConvolutionalEncoder):
            module.half_precision = precision == "bfloat16"


def _block(channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels, WIDTH, 3),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def _side(pixels: int) -> int:
    return (pixels - 4) // 2  # two 3 x 3 convolutions without padding, then a 2 x 2 pool
