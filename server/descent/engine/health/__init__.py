"""Watches how a run is doing, and says what goes wrong, where, why, and what heals it."""

from descent.engine.health.finding import Finding
from descent.engine.health.state import Health

__all__ = ["Finding", "Health"]
