"""Convolutional networks."""

ORDER = 3  # place among the chapters
TITLE = {"en": "Convolution", "ko": "합성곱"}
ABOUT = {
    "en": "Small windows that slide over pictures.",
    "ko": "이미지 위를 미끄러지는 작은 창",
}
