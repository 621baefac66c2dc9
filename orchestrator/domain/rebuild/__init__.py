"""Rebuilding an emptied environment: what was retained, what is restored, and what the plan refuses. Pure."""
