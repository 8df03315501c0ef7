"""Chapter: attention."""
