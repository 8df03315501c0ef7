"""The life of runs: their states, their viewers and their messages."""
