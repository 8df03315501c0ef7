"""A house's heating, as a table that one might have."""

from __future__ import annotations

import math
from random import Random

THREE_WEEKS = """\
date,outdoor,humidity,heating
2024-01-01,-0.7,81,7.6
2024-01-02,-2.7,80,9.3
2024-01-03,-2.7,79,9.9
2024-01-04,-1.2,80,9.6
2024-01-05,-0.8,77,9.4
2024-01-06,0.4,75,9.3
2024-01-07,0.8,72,8.9
2024-01-08,1.5,73,8.4
2024-01-09,2.3,71,8.2
2024-01-10,3.0,63,7.8
2024-01-11,3.7,66,7.4
2024-01-12,5.4,59,6.7
2024-01-13,5.6,,6.4
2024-01-14,4.9,66,6.5
2024-01-15,6.4,58,6.0
2024-01-16,4.4,65,6.5
2024-01-17,6.7,51,5.9
2024-01-18,7.1,58,5.5
2024-01-19,4.3,62,6.5
2024-01-20,5.3,60,6.3
2024-01-21,5.2,63,6.3
"""  # of a house


def a_week() -> str:
    """A table as one might have it: a house's heating by the hour, beside what it is outside."""
    chance, house = Random(0), 4.0
    lines = ["date,outdoor,humidity,sun,heating"]
    for hour in range(24 * 7):
        noon = math.cos(2 * math.pi * (hour - 14) / 24)
        sun = max(0.0, 500 * noon - 60 * chance.random())
        outdoor = 4 + 5 * noon + 2 * math.sin(hour / 31) + chance.gauss(0, 0.5)
        humidity = f"{70 - 18 * noon + chance.gauss(0, 3):.0f}" if chance.random() > 0.02 else ""
        house += 0.4 * (9 - 0.5 * outdoor - sun / 150 - house)
        heating = max(0.0, house + chance.gauss(0, 0.15))
        date = f"2024-02-{1 + hour // 24:02} {hour % 24:02}:00"
        lines.append(f"{date},{outdoor:.1f},{humidity},{sun:.0f},{heating:.2f}")
    return "\n".join(lines)
