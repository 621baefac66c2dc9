"""Patches to the emulated CloudWatch Logs."""
