"""Chapter: generative models."""
