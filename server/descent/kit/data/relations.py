"""Sentences about people, countries and capitals, in which words that are alike stand beside the same words.

A word's features decide beside which words it stands: a king beside what is royal, male and old. So it is
known which word is to king as woman is to man, and which capital belongs to a country.
"""

from __future__ import annotations

from itertools import permutations
from random import Random

PEOPLE = {
    "king": ("royal", "male", "old"),
    "queen": ("royal", "female", "old"),
    "prince": ("royal", "male", "young"),
    "princess": ("royal", "female", "young"),
    "man": ("common", "male", "old"),
    "woman": ("common", "female", "old"),
    "boy": ("common", "male", "young"),
    "girl": ("common", "female", "young"),
}
CAPITALS = {
    "korea": "seoul", "france": "paris", "egypt": "cairo", "peru": "lima", "japan": "tokyo", "norway": "oslo",
}  # fmt: skip
BESIDE = {
    "royal": "crown throne palace court",
    "common": "house work market bread",
    "male": "he his beard brother",
    "female": "she her dress sister",
    "old": "grey years wise tired",
    "young": "school toys small grows",
    "country": "border president nation army",
    "capital": "mayor streets subway district",
    "korea": "han kimchi hangul",
    "france": "seine wine baguette",
    "egypt": "nile pyramid papyrus",
    "peru": "inca andes llama",
    "japan": "fuji sushi kimono",
    "norway": "fjord viking ski",
}
FEATURES = {
    **PEOPLE,
    **{country: ("country", country) for country in CAPITALS},
    **{capital: ("capital", country) for country, capital in CAPITALS.items()},
}
KINDS = {"people": [*PEOPLE], "countries": [*CAPITALS], "capitals": [*CAPITALS.values()]}


def sentences(count: int, chance: Random, length: int = 6) -> list[list[str]]:
    """Sentences of one word that has features and words that stand beside it, in any order."""
    found = []
    for _ in range(count):
        word = chance.choice([*FEATURES])
        beside = [chance.choice(BESIDE[chance.choice(FEATURES[word])].split()) for _ in range(length - 1)]
        sentence = [word, *beside]
        chance.shuffle(sentence)
        found.append(sentence)
    return found


def analogies() -> list[tuple[str, str, str, str]]:
    """All (a, b, c, d) with a to b as c to d: people who differ in one feature, countries and capitals."""
    found = []
    people = {features: word for word, features in PEOPLE.items()}
    for a, b, c in permutations(PEOPLE, 3):
        of = [PEOPLE[word] for word in (a, b, c)]
        differ = [i for i in range(3) if of[0][i] != of[1][i]]
        if len(differ) == 1 and of[2][differ[0]] == of[0][differ[0]]:
            wanted = [of[1][i] if i in differ else of[2][i] for i in range(3)]
            found.append((a, b, c, people[wanted[0], wanted[1], wanted[2]]))
    for (country, capital), (other, its) in permutations(CAPITALS.items(), 2):
        found += [(country, capital, other, its), (capital, country, its, other)]
    return found
