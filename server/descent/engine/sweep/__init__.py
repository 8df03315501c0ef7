"""From one step of a run on with each of several values of a knob."""
