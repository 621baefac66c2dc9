"""Patches to the emulated CloudWatch and CloudWatch Logs."""
