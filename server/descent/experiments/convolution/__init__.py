"""Convolutional networks."""

ORDER = 3  # place among the chapters
TITLE = {"en": "Convolution", "ko": "합성곱"}
ABOUT = {
    "en": "Small windows that slide over pictures, and what they find.",
    "ko": "이미지 위를 미끄러지는 작은 창과 그 창이 찾아내는 것",
}
