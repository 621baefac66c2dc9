"""Tasks of the rollback state machine."""
