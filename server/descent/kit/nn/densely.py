"""Densely connected networks: a layer sees the maps of all layers before it, and adds k of its own.

Source: Huang et al. 2017, "Densely Connected Convolutional Networks", arXiv:1608.06993.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NormConv(nn.Sequential):
    """H of §3: batch norm, ReLU, and a convolution that keeps the size."""

    def __init__(self, below: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(below)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(below, channels, kernel, padding=kernel // 2, bias=False)


class DenseLayer(nn.Module):
    """x_l = H([x_0, …, x_{l−1}]), stacked onto what it was given.

    H is BN-ReLU-conv 3 × 3 to k maps; with `bottleneck`, 1 × 1 to 4k maps before it.
    """

    def __init__(self, below: int, growth: int, bottleneck: bool = True) -> None:
        super().__init__()
        inner = 4 * growth if bottleneck else below
        self.conv1 = NormConv(below, inner, 1) if bottleneck else nn.Identity()
        self.conv2 = NormConv(inner, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, below, H, W) → (B, below + k, H, W)."""
        return torch.cat([x, self.conv2(self.conv1(x))], 1)


class DenseNet(nn.Sequential):
    """(B, C, H, W) → (B, classes): blocks of dense layers; between two, 1 × 1 to half the maps, and pooling.

    121 (table 1): blocks of 6, 12, 24 and 16 layers, k = 32, on (3, 224, 224): 7,978,856 parameters. A
    `small` one begins with a single 3 × 3 convolution and has no bottlenecks, as in §4.2.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        colours: int = 3,
        classes: int = 1000,
        *,
        small: bool = False,
        stride: int = 1,
    ) -> None:
        super().__init__()
        below = 2 * growth
        if small:
            self.conv1 = nn.Conv2d(colours, below, 3, stride, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(colours, below, 7, stride=2, padding=3, bias=False)  # 224 → 112
            self.norm1 = nn.BatchNorm2d(below)
            self.relu1 = nn.ReLU()
            self.pool1 = nn.MaxPool2d(3, 2, padding=1)  # → 56
        for number, layers in enumerate(blocks, 1):
            if number > 1:
                self.add_module(f"transition{number - 1}", NormConv(below, below // 2, 1))
                self.add_module(f"pool{number}", nn.AvgPool2d(2))  # → 28, → 14, → 7
                below //= 2
            block = nn.Sequential()
            for i in range(1, layers + 1):
                block.add_module(str(i), DenseLayer(below, growth, bottleneck=not small))
                below += growth
            self.add_module(f"dense{number}", block)
        self.norm = nn.BatchNorm2d(below)
        self.relu = nn.ReLU()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(below, classes)
