"""The stack of the public status page."""
