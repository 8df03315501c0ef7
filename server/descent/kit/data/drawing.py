"""A digit drawn on a pad, made into the kind of image that a data set's digits are.

A drawing is a text of one hexadecimal digit per pixel, row by row, '0' empty and 'f' full. What a network
has learnt from is not what comes off a pad: both data sets have brought their digits to one size and place,
and a network is lost without that. Here a drawing is treated the same way.

scikit-learn's digits are the UCI set of Alpaydin and Kaynak (1998): a form's digit, set upright and
stretched by NIST's program to a box 20 wide and 32 high, with 3 pixels in 10 inked; each of the 8×8 values
is the share of ink in a block of 4×4. MNIST's are scaled into 20×20, in proportion, and laid into 28×28 so
that the centre of mass is in the middle (LeCun et al. 1998, §III.A).
"""

from __future__ import annotations

import math
import string

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.contract.knobs import KnobError

BITMAP = 32  # pixels along a side of what scikit-learn's 8×8 digits were counted from
BOX = 20  # width of a digit within it; either side of the box that MNIST scales into
INK = 0.3  # share of the bitmap that is inked: 19 to 21 of 64, whatever the digit
SLENDER = 3.0  # a digit higher than this multiple of its width, a 1, is not stretched sideways
FAINT = 0.1  # ink that does not count where a drawing begins and ends


GROUND = 0.5  # a picture whose edge has more ink than this is light on dark


def colours_of(text: str, rows: int, columns: int) -> Tensor:
    """Red, green and blue, 0 to 1, of a drawing or a picture: float32 (3, rows, columns).

    A drawing is black on white.
    """
    if len(text) == rows * columns:
        return (1 - ink_of(text, rows, columns)).expand(3, -1, -1)
    assert len(text) == 3 * rows * columns, len(text)
    return torch.tensor([int(digit, 16) / 15 for digit in text]).view(rows, columns, 3).movedim(2, 0)


def ink_in(colours: Tensor) -> Tensor:
    """What stands out from the ground of a picture (3, H, W), dark on light or light on dark: 0 to 1, (H, W).

    Blank where all is of one brightness.
    """
    weights = torch.tensor([0.299, 0.587, 0.114], device=colours.device)
    ink = 1 - (weights[:, None, None] * colours).sum(0)
    low, high = float(ink.min()), float(ink.max())
    if high - low < FAINT:
        return torch.zeros_like(ink)
    ink = (ink - low) / (high - low)
    ground = torch.cat([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).median()
    if ground > GROUND:
        ink, ground = 1 - ink, 1 - ground
    return (ink - ground).clamp(min=0) / (1 - ground)


def is_drawing(text: str) -> bool:
    """Whether it has hexadecimal digits only."""
    return set(text) <= set(string.hexdigits)


def check_drawing(knob: str, text: str, *pixels: int) -> None:
    """Raises `KnobError` where a drawing is neither empty nor so many hexadecimal digits."""
    if not is_drawing(text):
        raise KnobError(knob, "it may hold 0 to 9 and a to f only; clear it and draw again")
    if len(text) not in (0, *pixels):
        raise KnobError(
            knob,
            "it has {given} pixels, {wanted} are needed; clear it and draw again",
            given=len(text),
            wanted=pixels[0],
        )


def ink_of(text: str, rows: int, columns: int) -> Tensor:
    """The ink, 0 to 1, of a drawing: float32 (rows, columns)."""
    assert len(text) == rows * columns, len(text)
    return torch.tensor([int(digit, 16) / 15 for digit in text]).view(rows, columns)


def as_sklearn(ink: Tensor) -> Tensor:
    """A drawing (H, W), not blank, as one of scikit-learn's digits: (8, 8), 0 to 1."""
    digit = _cropped(_upright(ink))
    height, width = digit.shape
    wide = BOX if height < SLENDER * width else round(BITMAP * width / height)
    bitmap = _centred(_scaled(digit, BITMAP, max(1, wide)), BITMAP)
    return F.avg_pool2d(_inked(bitmap)[None], 4)[0]


def as_mnist(ink: Tensor) -> Tensor:
    """A drawing (H, W), not blank, as one of MNIST's digits: (28, 28), 0 to 1."""
    digit = _cropped(ink)
    longer = max(digit.shape)
    height, width = (max(1, round(BOX * side / longer)) for side in digit.shape)
    image = _centred(_scaled(digit, height, width), 28)
    y, x = _centre_of_mass(image)
    return image.roll((round(14 - y), round(14 - x)), (0, 1))


def placed(picture: Tensor, shift: tuple[float, float], degrees: float, zoom: float) -> Tensor:
    """A picture (C, H, W) zoomed and turned about its centre, then shifted right and down, in its sides.

    Turned clockwise. What comes in from outside is 0.
    """
    angle, (x, y) = math.radians(degrees), shift
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    height, width = picture.shape[1:]
    down = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=picture.device)[:, None] - 2 * y
    across = torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=picture.device)[None] - 2 * x
    down, across = down * height / width, across.expand(height, width)  # in half widths
    grid = torch.stack([cos * across + sin * down, (cos * down - sin * across) * width / height], -1)
    return F.grid_sample(picture[None], grid[None], align_corners=False)[0]


def _cropped(ink: Tensor) -> Tensor:
    rows, columns = ((ink > FAINT * ink.max()).any(axis).nonzero()[:, 0] for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(ink: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(ink[None, None], (height, width), mode="bilinear", antialias=True)[0, 0]


def _centred(ink: Tensor, side: int) -> Tensor:
    """The drawing in the middle of a blank square."""
    height, width = ink.shape
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(ink, (left, side - width - left, top, side - height - top))


def _centre_of_mass(ink: Tensor) -> tuple[float, float]:
    """The centre of mass: row and column."""
    y, x = (torch.arange(size, dtype=ink.dtype, device=ink.device) for size in ink.shape)
    return float(ink.sum(1) @ y / ink.sum()), float(ink.sum(0) @ x / ink.sum())


def _upright(ink: Tensor) -> Tensor:
    """Sheared about its centre until its rows are not correlated with its columns: no slant is left."""
    height, width = ink.shape
    ink = F.pad(ink, (height // 2, height // 2))  # room for what is sheared
    (y, x), columns = _centre_of_mass(ink), width + 2 * (height // 2)
    down = torch.arange(height, dtype=ink.dtype, device=ink.device)[:, None] - y
    across = torch.arange(columns, dtype=ink.dtype, device=ink.device)[None] - x
    slant = float((ink * down * across).sum() / (ink * down * down).sum().clamp(min=1e-6))
    slant = min(1.0, max(-1.0, slant))  # a line that lies is left lying
    grid = torch.stack(
        [
            2 * (across + x + slant * down + 0.5) / columns - 1,
            (2 * (down + y + 0.5) / height - 1).expand(height, columns),
        ],
        dim=-1,
    )
    return F.grid_sample(ink[None, None], grid[None], align_corners=False)[0, 0]


def _inked(bitmap: Tensor) -> Tensor:
    """The lines made so thick that `INK` of the bitmap is inked: 1 there, 0 elsewhere.

    Blurred, a line is darkest along its middle: its darkest pixels are the line, thinner or thicker.
    """
    taps = torch.tensor([1.0, 2, 3, 2, 1], device=bitmap.device) / 9
    blurred = F.conv2d(bitmap[None, None], torch.outer(taps, taps)[None, None], padding=2)[0, 0]
    least = blurred.flatten().topk(int(INK * blurred.numel())).values[-1]
    return (blurred >= least.clamp(min=1e-6)).to(bitmap.dtype)
