"""Patches to the emulated EventBridge."""
