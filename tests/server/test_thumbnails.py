"""Pictures that go with the points of a plane: as they are where there is room, else smaller."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from descent.contract.panels import Arrows
from descent.wire import decode, encode_picture


def plane(points: int, **more: Any) -> Arrows:
    return Arrows(
        values=torch.zeros(2, 2),
        x=(0.0, 1.0),
        y=(0.0, 1.0),
        points=torch.zeros(points, 2),
        groups=torch.zeros(points, dtype=torch.uint8),
        names=["a"],
        **more,
    )


def test_pictures_travel_with_their_points() -> None:
    pixels = torch.randint(0, 256, (3, 4, 5, 3), dtype=torch.uint8)
    frame = decode(encode_picture("run", 0, 0, "codes", plane(3, pictures=Arrows.thumbnails(pixels))))
    assert torch.equal(torch.from_numpy(frame.arrays["pictures"].copy()), pixels)
    assert decode(encode_picture("run", 0, 0, "codes", plane(3))).arrays["pictures"].size == 0


@pytest.mark.parametrize("colours", [(), (3,)])
def test_pictures_that_take_too_much_room_are_made_of_means(colours: tuple[int, ...]) -> None:
    pixels = torch.randint(0, 256, (900, 28, 28, *colours), dtype=torch.uint8)
    small = Arrows.thumbnails(pixels)
    factor = 28 // small.shape[1]
    assert small.shape == (900, 28 // factor, 28 // factor, *colours)
    assert small.numel() <= Arrows.ROOM < pixels.numel() // 28**2 * (28 // (factor - 1)) ** 2
    mean = pixels[5, :factor, :factor].float().mean((0, 1))
    torch.testing.assert_close(small[5, 0, 0].float(), mean, atol=0.51, rtol=0)
    plane(900, pictures=small)


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Arrows\.pictures: shape \(2, 4, 4\) for 3 points"):
        plane(3, pictures=torch.zeros(2, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="use thumbnails"):
        plane(1, pictures=torch.zeros(1, 600, 600, dtype=torch.uint8))
