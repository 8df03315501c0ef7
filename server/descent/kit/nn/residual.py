"""Residual networks: a block adds what it computes to what it was given, y = F(x) + x.

Source: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    """A convolution without bias that keeps the size at stride 1, and batch norm."""

    def __init__(self, below: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(below, channels, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)


class PaddedShortcut(nn.Module):
    """Option A: the identity, where channels are missing zeros; every second place where the map shrinks."""

    def __init__(self, below: int, channels: int, stride: int) -> None:
        super().__init__()
        self.more, self.stride = channels - below, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, below, H, W) → (B, channels, ⌈H/stride⌉, ⌈W/stride⌉)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


def shortcut(below: int, channels: int, stride: int, option: Literal["A", "B"]) -> nn.Module:
    """§3.3: x itself where it fits; else padded with zeros (A), or projected by 1 × 1 convolutions (B)."""
    if below == channels and stride == 1:
        return nn.Identity()
    return PaddedShortcut(below, channels, stride) if option == "A" else ConvNorm(below, channels, 1, stride)


class BasicBlock(nn.Module):
    """Figure 5, left: two 3 × 3 convolutions."""

    expansion = 1

    def __init__(self, below: int, channels: int, stride: int = 1, option: Literal["A", "B"] = "B") -> None:
        super().__init__()
        self.conv1 = ConvNorm(below, channels, 3, stride)
        self.conv2 = ConvNorm(channels, channels, 3)
        self.shortcut = shortcut(below, channels, stride, option)

    def forward(self, x: Tensor, shortcuts: bool = True) -> Tensor:
        """(B, below, H, W) → (B, channels, H', W'); without shortcuts as a plain network has it."""
        f = self.conv2(F.relu(self.conv1(x)))
        return F.relu(f + self.shortcut(x) if shortcuts else f)


class Bottleneck(nn.Module):
    """Figure 5, right: 1 × 1 down to fewer channels, 3 × 3, 1 × 1 up to four times as many.

    The stride is that of the 3 × 3 convolution, as in Goyal et al. 2017 (arXiv:1706.02677), footnote 3.
    """

    expansion = 4

    def __init__(self, below: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        above = self.expansion * channels
        self.conv1 = ConvNorm(below, channels, 1)
        self.conv2 = ConvNorm(channels, channels, 3, stride)
        self.conv3 = ConvNorm(channels, above, 1)
        self.shortcut = shortcut(below, above, stride, "B")

    def forward(self, x: Tensor) -> Tensor:
        """(B, below, H, W) → (B, 4·channels, H', W')."""
        f = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(f + self.shortcut(x))


class ResNet(nn.Sequential):
    """(B, 3, 224, 224) → (B, 1000): a column of table 1, whose `blocks` are those of conv2_x to conv5_x.

    18: basic (2, 2, 2, 2), 11,689,512 parameters; 34: basic (3, 4, 6, 3), 21,797,672; 50: bottleneck
    (3, 4, 6, 3), 25,557,032.
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], blocks: Sequence[int], classes: int = 1000
    ) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 7, stride=2)  # 224 → 112
        self.relu = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, 2, padding=1)  # → 56
        below = 64
        for stage, (number, channels) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), 2):
            made: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(1, number + 1):
                made[str(i)] = block(below, channels, 2 if i == 1 and stage > 2 else 1)
                below = block.expansion * channels
            self.add_module(f"conv{stage}", nn.Sequential(made))  # 56, then → 28, → 14, → 7
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(below, classes)


class SmallResNet(nn.Module):
    """(B, C, H, W) → (B, classes), 6n + 2 layers, as §4.2 has them for CIFAR-10.

    A convolution, three stages of n basic blocks with `width`, twice and four times as many channels, and a
    dense layer. Shortcuts have no parameters (option A), so the plain network of the same depth is this one
    without them.
    """

    def __init__(self, n: int, colours: int, width: int, classes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(colours, width, 3, stride)
        self.blocks = nn.ModuleList()
        below = width
        for stage in range(3):
            channels = width * 2**stage
            for i in range(n):
                self.blocks.append(BasicBlock(below, channels, 2 if i == 0 and stage else 1, option="A"))
                below = channels
        self.fc = nn.Linear(below, classes)

    def forward(self, x: Tensor, shortcuts: bool = True) -> Tensor:
        """The scores."""
        h = F.relu(self.conv1(x))
        for block in self.blocks:
            h = block(h, shortcuts)
        return self.fc(h.mean((2, 3)))


def kaiming(network: nn.Module) -> None:
    """Draw the weights of all convolutions from N(0, 2/n_in): arXiv:1502.01852, eq. 10."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
