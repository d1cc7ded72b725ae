"""Networks from one view's picture to its embedding, and back."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.models.base import Shape

Precision = Literal["float32", "bfloat16"]

WIDTH = 64  # channels of every convolution (Table 4)
SMALLEST = 16  # the smallest side that leaves a pixel after two blocks


class Convolutions(nn.Sequential):
    """Layers whose convolutions may compute in bfloat16: see :func:`use_precision`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.to(memory_format=torch.channels_last)  # about twice as fast on CPU and GPU, same numbers
        self.half_precision = False

    def forward(self, rows: Tensor) -> Tensor:
        """(N, …) to (N, …) float32."""
        with torch.autocast(rows.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            outputs: Tensor = super().forward(rows)
        return outputs.float()


class ConvolutionalEncoder(Convolutions):
    """Table 4's CNN: (N, C, H, W) to (N, D), D = 64 · h · w; 1 x 28 x 28 gives D = 1024.

    Raises :class:`LabError` for pictures smaller than 16 x 16.
    """

    def __init__(self, shape: Shape) -> None:
        channels, height, width = shape
        if min(height, width) < SMALLEST:
            raise LabError(f"Pictures must be at least {SMALLEST} x {SMALLEST} pixels, got {height} x {width}.")
        super().__init__(*_block(channels), *_block(WIDTH), nn.Flatten())
        self.n_outputs = WIDTH * _side(_side(height)) * _side(_side(width))


class ConvolutionalDecoder(Convolutions):
    """DeepMVC's mirror of the encoder: (N, D) to logits (N, C, H, W), whose sigmoid is a picture.

    Raises :class:`LabError` for sides that are no multiple of 4: they do not come back.
    """

    def __init__(self, shape: Shape) -> None:
        channels, height, width = shape
        if height % 4 or width % 4:
            raise LabError(f"A decoder needs sides that are multiples of 4, got {height} x {width}.")
        super().__init__(
            nn.Unflatten(1, (WIDTH, _side(_side(height)), _side(_side(width)))),
            *(nn.Upsample(scale_factor=2), nn.ConvTranspose2d(WIDTH, WIDTH, 3), nn.ReLU()),
            *(nn.ConvTranspose2d(WIDTH, WIDTH, 3), nn.BatchNorm2d(WIDTH), nn.ReLU()),
            *(nn.Upsample(scale_factor=2), nn.ConvTranspose2d(WIDTH, WIDTH, 3), nn.ReLU()),
            nn.ConvTranspose2d(WIDTH, channels, 3),
        )


def make_encoders(view_shapes: Sequence[Shape]) -> tuple[nn.ModuleList, int]:
    """One encoder a view, and the width D they share. Raises :class:`LabError` where they would not."""
    encoders = [ConvolutionalEncoder(shape) for shape in view_shapes]
    widths = {encoder.n_outputs for encoder in encoders}
    if len(widths) != 1:
        raise LabError(f"A weighted mean needs views of one size, got {list(view_shapes)}.")
    return nn.ModuleList(encoders), widths.pop()


def use_precision(model: nn.Module, precision: Precision) -> None:
    """Let a model's convolutions compute in float32, or in bfloat16 where the processor is fast at it.

    Weights, batch norm's statistics, heads and losses stay in float32.
    """
    for module in model.modules():
        if isinstance(module, Convolutions):
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
