"""Where runs train: processes on this machine for now."""
