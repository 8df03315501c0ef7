"""Chapter: sequences."""
