"""LeNet-5, AlexNet and VGG-16: convolutions and pooling one after the other, then dense layers.

The first dense layer takes as many numbers as the picture leaves it: the first forward pass sizes it.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


class LeNet5(nn.Sequential):
    """(B, 1, 32, 32) → (B, 10). LeCun et al. 1998, §II.B and figure 2.

    In its common form, 61,706 parameters: C3 sees all six maps of S2 (table I of the paper leaves some out),
    subsampling has no weights, and the output is a dense layer instead of radial basis functions.
    """

    def __init__(self, classes: int = 10) -> None:
        layers = {
            "C1": nn.Conv2d(1, 6, 5),  # 32 → 28
            "tanh1": nn.Tanh(),
            "S2": nn.AvgPool2d(2),  # → 14
            "C3": nn.Conv2d(6, 16, 5),  # → 10
            "tanh3": nn.Tanh(),
            "S4": nn.AvgPool2d(2),  # → 5
            "flat": nn.Flatten(),
            "C5": nn.LazyLinear(120),  # a convolution of 5 × 5 on maps of 5 × 5
            "tanh5": nn.Tanh(),
            "F6": nn.Linear(120, 84),
            "tanh6": nn.Tanh(),
            "output": nn.Linear(84, classes),
        }
        super().__init__(OrderedDict(layers))


class AlexNet(nn.Sequential):
    """(B, 3, 224, 224) → (B, 1000). Krizhevsky et al. 2012, §3, on one GPU: 61,100,840 parameters.

    As in Krizhevsky 2014 (arXiv:1404.5997), whose layers are not split over two GPUs, and without response
    normalisation, which has no parameters.
    """

    def __init__(self, classes: int = 1000) -> None:
        layers = {
            "conv1": nn.Conv2d(3, 64, 11, stride=4, padding=2),  # 224 → 55
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(3, 2),  # windows overlap: → 27
            "conv2": nn.Conv2d(64, 192, 5, padding=2),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(3, 2),  # → 13
            "conv3": nn.Conv2d(192, 384, 3, padding=1),
            "relu3": nn.ReLU(),
            "conv4": nn.Conv2d(384, 256, 3, padding=1),
            "relu4": nn.ReLU(),
            "conv5": nn.Conv2d(256, 256, 3, padding=1),
            "relu5": nn.ReLU(),
            "pool5": nn.MaxPool2d(3, 2),  # → 6
            "flat": nn.Flatten(),
            "dropout6": nn.Dropout(),
            "fc6": nn.LazyLinear(4096),
            "relu6": nn.ReLU(),
            "dropout7": nn.Dropout(),
            "fc7": nn.Linear(4096, 4096),
            "relu7": nn.ReLU(),
            "fc8": nn.Linear(4096, classes),
        }
        super().__init__(OrderedDict(layers))


class VGG16(nn.Sequential):
    """(B, 3, 224, 224) → (B, 1000). Simonyan and Zisserman 2015, configuration D: 138,357,544 parameters."""

    def __init__(self, classes: int = 1000) -> None:
        layers: dict[str, nn.Module] = {}
        below = 3
        for stage, (convolutions, channels) in enumerate(
            [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1
        ):
            for i in range(1, convolutions + 1):
                layers[f"conv{stage}_{i}"] = nn.Conv2d(below, channels, 3, padding=1)
                layers[f"relu{stage}_{i}"] = nn.ReLU()
                below = channels
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
        layers |= {
            "flat": nn.Flatten(),
            "fc6": nn.LazyLinear(4096),
            "relu6": nn.ReLU(),
            "dropout6": nn.Dropout(),
            "fc7": nn.Linear(4096, 4096),
            "relu7": nn.ReLU(),
            "dropout7": nn.Dropout(),
            "fc8": nn.Linear(4096, classes),
        }
        super().__init__(OrderedDict(layers))
