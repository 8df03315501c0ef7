"""Diagnoses a run: what goes wrong, where, why, and the remedy."""

from descent.engine.health.finding import Finding
from descent.engine.health.state import Health

__all__ = ["Finding", "Health"]
