"""Backups of an environment's tables: daily backups in a locked vault, and cross-region backups."""
