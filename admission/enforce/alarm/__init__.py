"""The gate's own alarm: whether what the API server asks, and refuses, is still what was installed."""
