"""The life of runs: their states, who watches them, and what they said."""
