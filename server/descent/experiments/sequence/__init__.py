"""Sequences."""

ORDER = 4  # place among the chapters
TITLE = {"en": "Sequences", "ko": "순환 신경망"}
ABOUT = {"en": "Hidden states that remember.", "ko": "기억하는 은닉 상태"}
