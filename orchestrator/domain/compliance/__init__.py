"""Compliance: the controls of an environment as data, their results, the report, and its trend. Pure."""
