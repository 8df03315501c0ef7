"""Operations of a GPU that do not give the same bits each time: torch warns of each, and the run says so.

Where one of them takes part, a branch or the same run again agrees with the first up to rounding only.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

WARNED = re.compile(
    r"(?P<operation>\S+) does not have a deterministic implementation"
    r"|(?P<attention>Memory Efficient|Flash) [Aa]ttention defaults to a non-deterministic algorithm"
)


class Inexact:
    """The operations that were warned of in this process since it was made; other warnings pass on."""

    def __init__(self) -> None:
        self._known: list[str] = []
        self._said = 0
        self._show = warnings.showwarning
        for message in (".* does not have a deterministic impl", ".*defaults to a non-deterministic"):
            warnings.filterwarnings("default", message=message)  # once from each place, whatever else is set
        warnings.showwarning = self._hear

    def news(self) -> list[str]:
        """All of them, each once, if any came since the last call; else none."""
        said, self._said = self._said, len(self._known)
        return list(self._known) if self._said > said else []

    def _hear(self, message: Warning | str, *where: Any, **more: Any) -> None:
        warned = WARNED.match(str(message))
        if not warned:
            self._show(message, *where, **more)
            return
        operation = warned["operation"] or f"{warned['attention']} attention"
        if operation not in self._known:
            self._known.append(operation)
