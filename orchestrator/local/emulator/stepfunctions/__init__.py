"""Patches to the emulated Step Functions."""
