"""The kinds of backup that a drill restores, and the selection of one of its backups."""
