"""Chapter: training neural networks."""
