"""Numbers as they are written in formulas and labels that panels send along."""

from __future__ import annotations

import math

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def figure(value: float, digits: int = 3) -> str:
    """A value with `digits` significant digits: 0.0123, 1.2e−5."""
    return _written(f"{value:.{digits}g}")


def term(value: float, digits: int = 3) -> str:
    """`figure` as part of a sum or a product: in parentheses where it is negative."""
    text = figure(value, digits)
    return f"({text})" if value < 0 else text


def rough(value: float) -> str:
    """Two significant digits, or all those before the point; a dash for what is not finite."""
    if not math.isfinite(value):
        return "–"
    return _written(f"{value:.0f}" if 99.5 <= abs(value) < 1e4 else f"{value:.2g}")


def subscript(number: int) -> str:
    """₁₂ for 12."""
    return str(number).translate(_SUBSCRIPTS)


def superscript(number: int) -> str:
    """¹² for 12."""
    return str(number).translate(_SUPERSCRIPTS)


def _written(text: str) -> str:
    """The number with a minus sign, and without the exponent's plus and zeros."""
    mantissa, _, exponent = text.partition("e")
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", "−")
