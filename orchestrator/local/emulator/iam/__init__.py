"""Patches to the emulated IAM."""
