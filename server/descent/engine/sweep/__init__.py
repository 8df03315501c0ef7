"""Sweeps: a run continued from one step with each of several values of a knob."""
