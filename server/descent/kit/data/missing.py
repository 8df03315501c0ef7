"""What a knob that chooses a data set says where that is not on this machine, or cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from descent.contract import KnobError
from descent.kit.data.sets import FILES, TITLES, located


def place_of(name: str, folders: Sequence[Path], knob: str) -> Path:
    """The folder with the files of the data set `name`. Raises `KnobError` for `knob` where there is none."""
    found = located(name, folders)
    if found is None:
        raise KnobError(
            knob,
            "{title} is not on this machine; fetch it here or with `descent data fetch {name}`, or set "
            "DESCENT_DATA to a folder that has its files in a folder {name} (expected {file})",
            reason="no-data",
            title=TITLES[name],
            name=name,
            file=f"{FILES[name][0]}.gz" if "-idx" in FILES[name][0] else FILES[name][0],
        )
    return found


def unreadable(name: str, knob: str, cause: Exception) -> KnobError:
    """The error for files that are not what they should be; `cause` names the file and what was expected."""
    return KnobError(
        knob,
        "{title} cannot be read: {cause}; replace the file, or remove the data set and fetch it again",
        reason="bad-data",
        title=TITLES[name],
        name=name,
        cause=str(cause),
    )
