"""Restored tables: list them with their use, report those that stay unused, and delete those of a restore."""
