"""Tasks of the drill and restore state machines."""
