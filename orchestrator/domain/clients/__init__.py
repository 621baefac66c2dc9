"""Managed clients: what operators may change, and why a client cannot log in. Pure."""
