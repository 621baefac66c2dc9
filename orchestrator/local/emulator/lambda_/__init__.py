"""Patches to the emulated Lambda."""
