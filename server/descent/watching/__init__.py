"""Watch one's own training loop on the page: `run = descent.watch(model, optimizer)`, `run.step(loss=loss)`.

The script trains in its own process; a thread speaks with a server. Without one, training goes on.
"""

from descent.watching.begin import watch
from descent.watching.offer import Knob
from descent.watching.run import Stopped, WatchedRun

__all__ = ["Knob", "Stopped", "WatchedRun", "watch"]
