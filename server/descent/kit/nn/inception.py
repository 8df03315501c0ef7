"""Inception: branches with windows of several sizes side by side, their maps stacked.

Source: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv:1409.4842. Departure: pooling of 3 × 3 is
padded by 1, so that ⌊(n + 2p − f)/s⌋ + 1 holds; the original rounds up instead, to the same sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvReLU(nn.Module):
    """A convolution that keeps the size at stride 1, and ReLU; with `norm`, batch norm for its bias."""

    def __init__(self, below: int, channels: int, kernel: int, stride: int = 1, norm: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(below, channels, kernel, stride, kernel // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(channels, eps=1e-3) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, below, H, W) → (B, channels, H', W')."""
        return F.relu(self.norm(self.conv(x)))


class Inception(nn.Module):
    """Figure 2b: 1 × 1, 3 × 3 and 5 × 5 convolutions and pooling side by side, 1 × 1 before the costly ones.

    `channels`: of each branch, as in a row of table 1: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.
    """

    def __init__(
        self, below: int, channels: tuple[int, int, int, int, int, int], norm: bool = False, large: int = 5
    ) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, project = channels
        self.one = ConvReLU(below, one, 1, norm=norm)
        self.reduce3 = ConvReLU(below, reduce3, 1, norm=norm)
        self.three = ConvReLU(reduce3, three, 3, norm=norm)
        self.reduce5 = ConvReLU(below, reduce5, 1, norm=norm)
        self.five = ConvReLU(reduce5, five, large, norm=norm)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.project = ConvReLU(below, project, 1, norm=norm)
        self.above = one + three + five + project

    def forward(self, x: Tensor) -> Tensor:
        """(B, below, H, W) → (B, above, H, W)."""
        branches = [
            self.one(x),
            self.three(self.reduce3(x)),
            self.five(self.reduce5(x)),
            self.project(self.pool(x)),
        ]
        return torch.cat(branches, 1)


TABLE_1 = {  # of the paper: each module's branches, and None for pooling
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Sequential):
    """(B, 3, 224, 224) → (B, 1000), without the auxiliary classifiers: 6,998,552 parameters.

    With `torchvision` as that library has it: batch norm instead of biases, and 3 × 3 windows in place of the
    5 × 5 ones, a slip that its weights rest on (its issue 906); 6,624,904 parameters.
    """

    def __init__(self, classes: int = 1000, torchvision: bool = False) -> None:
        super().__init__()
        norm = torchvision
        self.conv1 = ConvReLU(3, 64, 7, stride=2, norm=norm)  # 224 → 112
        self.pool1 = nn.MaxPool2d(3, 2, padding=1)  # → 56
        self.reduce2 = ConvReLU(64, 64, 1, norm=norm)
        self.conv2 = ConvReLU(64, 192, 3, norm=norm)
        self.pool2 = nn.MaxPool2d(3, 2, padding=1)  # → 28
        below = 192
        for name, channels in TABLE_1.items():
            if channels:
                module = Inception(below, channels, norm, 3 if torchvision else 5)
                self.add_module(f"inception{name}", module)
                below = module.above
            elif name == "pool4" and torchvision:
                self.add_module(name, nn.MaxPool2d(2))
            else:
                self.add_module(name, nn.MaxPool2d(3, 2, padding=1))  # → 14, → 7
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(below, classes)


class SmallInception(nn.Sequential):
    """(B, C, H, W) → (B, classes), eight layers: a convolution, three modules with batch norm, a dense layer.

    A module has `width` channels, half of them from 3 × 3 windows; the second and third have twice and four
    times as many, and begin with pooling.
    """

    def __init__(self, colours: int, width: int, classes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvReLU(colours, width, 3, stride, norm=True)
        below = width
        for stage in range(3):
            if stage:
                self.add_module(f"pool{stage}", nn.MaxPool2d(3, 2, padding=1))
            quarter = max(1, width * 2**stage // 4)
            channels = (quarter, quarter, 2 * quarter, max(1, quarter // 2), quarter, quarter)
            module = Inception(below, channels, norm=True)
            self.add_module(f"inception{stage + 1}", module)
            below = module.above
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(below, classes)
