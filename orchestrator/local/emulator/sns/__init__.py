"""Patches to the emulated SNS."""
