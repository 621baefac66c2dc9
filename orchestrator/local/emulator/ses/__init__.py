"""Patches to the emulated SES."""
