"""Attention."""

ORDER = 5  # place among the chapters
TITLE = {"en": "Attention", "ko": "어텐션"}
ABOUT = {"en": "Who looks at whom.", "ko": "무엇이 무엇을 바라보는가"}
