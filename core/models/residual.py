"""ResNet-18 (He et al., CVPR 2016) as it is used on CIFAR: a 3 x 3 stem with stride 1 and no pooling after it."""

from typing import Any

from torch import Tensor, nn

from core.models.encoders import Convolutions

STAGES = (64, 128, 256, 512)  # channels; two blocks each


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    def __init__(self, n_inputs: int, n_outputs: int, stride: int) -> None:
        super().__init__()
        self.around: nn.Module = nn.Identity()
        if stride != 1 or n_inputs != n_outputs:
            self.around = nn.Sequential(*_convolution(n_inputs, n_outputs, 1, stride))
        self.through = nn.Sequential(
            *_convolution(n_inputs, n_outputs, 3, stride), nn.ReLU(), *_convolution(n_outputs, n_outputs, 3, 1)
        )

    def forward(self, rows: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        outputs: Tensor = self.through(rows) + self.around(rows)
        return outputs.relu()


def residual_network(n_channels: int) -> tuple[nn.Module, int]:
    """ResNet-18 without its last layer: (N, C, H, W) to the mean (N, 512) over pixels, and 512."""
    layers: list[Any] = [*_convolution(n_channels, STAGES[0], 3, 1), nn.ReLU()]
    before = STAGES[0]
    for i, width in enumerate(STAGES):
        layers += [Block(before, width, 1 if i == 0 else 2), Block(width, width, 1)]
        before = width
    return Convolutions(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before


def _convolution(n_inputs: int, n_outputs: int, size: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(n_inputs, n_outputs, size, stride=stride, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(n_outputs)
