"""Chapter: how optimisers find their way down a loss surface."""
