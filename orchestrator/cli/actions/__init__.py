"""The implementation of the commands, one module a subject."""
