"""Runs on the nodes of a Ray cluster.

The server (`executor`) talks over two pipes to one process of its own, the `driver`, which alone knows Ray:
Ray ends a process whose cluster is gone. Each run is an `actor`.
"""
