"""Rebuilds an emptied environment by its plan."""
