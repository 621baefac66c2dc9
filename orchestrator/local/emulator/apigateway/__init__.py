"""Patches to the emulated API Gateway."""
