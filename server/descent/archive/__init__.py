"""Recorded runs outside of Descent: as a bundle, as TensorBoard files, as a script."""
