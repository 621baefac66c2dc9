"""Traces of executions for OpenTelemetry."""
