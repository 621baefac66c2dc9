"""Tasks that several kinds of state machines use."""
