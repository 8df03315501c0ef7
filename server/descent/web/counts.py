"""What is counted as it happens, for `metrics`. Of this process: servers in one process share it."""

from __future__ import annotations

from collections import deque

from prometheus_client import Counter, Histogram

LATE = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)  # seconds

refused = Counter("descent_refused", "What was refused, by the code of why", ["code"], registry=None)
delay = Histogram(
    "descent_loop_delay_seconds", "How late the event loop comes to what is due", buckets=LATE, registry=None
)
latest: deque[float] = deque(maxlen=120)  # seconds: what `delay` was told of the last minute
