"""Rollbacks: which events start one, what it does, and the incident it records."""
