"""Canary analysis probes: each collects evidence about one aspect of a version."""
