"""Canary analysis: whether the canary is worse than the stable version."""
