"""Panels of a run in a notebook's output: a frame with the server's embed page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

PUBLIC = "DESCENT_PUBLIC_URL"
NOT_YET = "<p>Descent: this run is not on a server yet. Take a step of training, then show it again.</p>"


@dataclass(frozen=True)
class Shown:
    """What a notebook shows as a frame, with a link for where the frame is refused."""

    url: str  # of the server
    run: str
    panels: Sequence[str] = ()
    width: int | str = "100%"
    height: int = 420

    def _repr_html_(self) -> str:
        if not self.run:
            return NOT_YET
        server = (os.environ.get(PUBLIC, "") or self.url).rstrip("/")
        server = server if "://" in server else f"http://{server}"
        address = f"{server}/embed/run/{quote(self.run)}"
        if self.panels:
            address += f"?panels={','.join(map(quote, self.panels))}"
        source = escape(address, quote=True)
        return (
            f'<iframe src="{source}" title="Descent" width="{escape(str(self.width), quote=True)}" '
            f'height="{int(self.height)}" style="border:0"></iframe>'
            f'<p><a href="{source}" target="_blank" rel="noopener">Open it in a tab of its own</a>, where '
            "the frame stays empty: the server shows itself only in pages named by <code>descent serve "
            "--embed-in</code>.</p>"
        )
