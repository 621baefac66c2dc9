"""Tasks of the restore state machine alone: the cutover to the restored tables."""
