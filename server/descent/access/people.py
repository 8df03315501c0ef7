"""People and their roles."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "learner", "teacher"]
ROLES: tuple[Role, ...] = ("viewer", "learner", "teacher")  # each may do what those before it may


@dataclass(frozen=True)
class Person:
    """Someone who uses this server. `id` is what their runs are marked with; `key`: the key they came by."""

    id: str
    role: Role
    name: str = ""
    key: str = ""
    expires: float = 0.0  # seconds since the epoch; 0 for never

    def sees(self, owner: str, shared: bool) -> bool:
        """Whether they may look at what `owner` has, or has `shared`."""
        return shared or self.commands(owner)

    def has(self, owners: Collection[str]) -> bool:
        """Whether what these have is theirs, too."""
        return self.role == "teacher" or any(map(self.commands, owners))

    def commands(self, owner: str) -> bool:
        """Whether they may change what `owner` has."""
        return self.role == "teacher" or (self.role == "learner" and owner == self.id)


LOCAL = Person("", "teacher")  # whoever uses a server that asks nobody


def allows(role: Role, needed: Role) -> bool:
    """Whether someone with this role may do what needs the other."""
    return ROLES.index(role) >= ROLES.index(needed)
