"""The export of traces of executions."""
