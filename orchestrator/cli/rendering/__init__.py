"""The output of the command line: timelines, tables, JSON."""
