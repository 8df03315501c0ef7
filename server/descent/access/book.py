"""The book of keys and of people who came by them: `access.db` in HOME, which `descent access` uses too.

A token is 192 random bits, so its SHA-256 is kept and nothing slower: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from descent.access.kept import Kept
from descent.access.people import Person, Role
from descent.errors import TooManyPeople, UnknownKey, WrongToken

FILE = "access.db"
DAY = 86_400.0  # seconds
MOST_NAME = 40
MOST_PEOPLE = 500  # who come by one key
MOST_KEYS = 200
SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL, label TEXT NOT NULL,
    created REAL NOT NULL, expires REAL NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, key TEXT NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL,
    created REAL NOT NULL, expires REAL NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True)
class Key:
    """What a link to this server carries. `people`: how many came by it. Times in seconds since the epoch."""

    id: str
    role: Role
    label: str
    created: float
    expires: float
    people: int = 0


class Book(Kept):
    """Keys and people. Safe to use from several threads and processes."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / FILE, SCHEMA)

    # Keys

    def new_key(self, role: Role, label: str = "", days: float = 30.0) -> tuple[Key, str]:
        """A new key, and its token, which is kept nowhere. Raises `TooManyPeople` beyond `MOST_KEYS`."""
        token, at = secrets.token_urlsafe(24), time.time()
        key = Key(secrets.token_hex(6), role, one_line(label)[:MOST_NAME], at, at + days * DAY)
        with self._writing() as database:
            (many,) = database.execute(
                "SELECT count(*) FROM keys WHERE NOT revoked AND expires > ?", (at,)
            ).fetchone()
            if many >= MOST_KEYS:
                raise TooManyPeople(f"there are {MOST_KEYS} keys; revoke some", "key", most=MOST_KEYS)
            database.execute(
                "INSERT INTO keys (id, hash, role, label, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
                (key.id, _hash(token), role, key.label, key.created, key.expires),
            )
        return key, token

    def all_keys(self) -> list[Key]:
        """The keys that are valid, the newest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT keys.id, keys.role, label, keys.created, keys.expires, count(people.id) FROM keys "
                "LEFT JOIN people ON people.key = keys.id AND NOT people.revoked "
                "WHERE NOT keys.revoked AND keys.expires > ? GROUP BY keys.id ORDER BY keys.created DESC",
                (time.time(),),
            ).fetchall()
        return [Key(*row) for row in rows]

    def revoke(self, id: str) -> int:
        """Revoke a key and everybody who came by it, or one person; returns how many people that were.

        Raises `UnknownKey`.
        """
        with self._writing() as database:
            found = database.execute("UPDATE keys SET revoked = 1 WHERE id = ?", (id,)).rowcount
            people = database.execute(
                "UPDATE people SET revoked = 1 WHERE (key = ? OR id = ?) AND NOT revoked", (id, id)
            ).rowcount
        if not found and not people:
            raise UnknownKey(f"there is no key and nobody with the id {id[:32]!r}", "id")
        return people

    def replace(self, label: str, role: Role, days: float) -> str:
        """The token of a new key in the place of those with this label, whose people stay."""
        with self._writing() as database:
            database.execute("UPDATE keys SET revoked = 1 WHERE label = ? AND role = ?", (label, role))
        return self.new_key(role, label, days)[1]

    # People

    def people(self) -> list[Person]:
        """Everybody who may come in, in the order they came."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, role, name, key, expires FROM people WHERE NOT revoked AND expires > ? "
                "ORDER BY created",
                (time.time(),),
            ).fetchall()
        return [Person(*row) for row in rows]

    def enter(self, token: str, name: str = "") -> tuple[Person, str]:
        """Whoever comes by this key, and the token by which they are known from now on.

        Raises `WrongToken`, and `TooManyPeople`.
        """
        mine = secrets.token_urlsafe(24)
        with self._writing() as database:
            key = self._key(token)
            if key is None:
                raise self._wrong(token, "keys")
            (many,) = database.execute(
                "SELECT count(*) FROM people WHERE key = ? AND NOT revoked", (key.id,)
            ).fetchone()
            if many >= MOST_PEOPLE:
                raise TooManyPeople(
                    f"{MOST_PEOPLE} people came by this key already; ask for another one",
                    "key",
                    most=MOST_PEOPLE,
                )
            person = Person(secrets.token_hex(6), key.role, one_line(name)[:MOST_NAME], key.id, key.expires)
            database.execute(
                "INSERT INTO people (id, hash, key, role, name, created, expires) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (person.id, _hash(mine), key.id, key.role, person.name, time.time(), key.expires),
            )
        return person, mine

    def known(self, token: str) -> Person:
        """Whose token this is. Raises `WrongToken`."""
        with self._lock:
            row = self._database.execute(
                "SELECT id, role, name, key, expires FROM people WHERE hash = ? AND NOT revoked "
                "AND expires > ?",
                (_hash(token), time.time()),
            ).fetchone()
            if row is None:
                raise self._wrong(token, "people")
        return Person(*row)

    def bearer(self, token: str) -> Person:
        """Who asks with this token, a person's or a key's own: programs come by keys. Raises `WrongToken`."""
        with self._lock:
            key = self._key(token)
        return Person(key.id, key.role, key.label, key.id, key.expires) if key else self.known(token)

    def lets_in(self, person: Person) -> bool:
        """Whether who came in before may stay."""
        with self._lock:
            return bool(
                self._database.execute(
                    "SELECT 1 FROM people WHERE id = ?1 AND NOT revoked AND expires > ?2 "
                    "UNION SELECT 1 FROM keys WHERE id = ?1 AND NOT revoked AND expires > ?2",
                    (person.id, time.time()),
                ).fetchone()
            )

    def rename(self, id: str, name: str) -> str:
        """Give a person another name; as it is kept."""
        kept = one_line(name)[:MOST_NAME]
        with self._writing() as database:
            database.execute("UPDATE people SET name = ? WHERE id = ?", (kept, id))
        return kept

    def _key(self, token: str) -> Key | None:
        row = self._database.execute(
            "SELECT id, role, label, created, expires FROM keys "
            "WHERE hash = ? AND NOT revoked AND expires > ?",
            (_hash(token), time.time()),
        ).fetchone()
        return Key(*row) if row else None

    def _wrong(self, token: str, table: str) -> WrongToken:
        """The error for a token that does not open; `stale` where it did once."""
        once = self._database.execute(f"SELECT 1 FROM {table} WHERE hash = ?", (_hash(token),)).fetchone()
        if once:
            return WrongToken(
                "this link has expired or was revoked; ask for a new one", "key", reason="stale"
            )
        return WrongToken("this is no key of this server; ask for a link again", "key", reason="wrong")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def one_line(text: str) -> str:
    """A text as it may be shown: printable, so without line breaks and marks that turn the writing round."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
