"""Pieces of models that several experiments share."""
