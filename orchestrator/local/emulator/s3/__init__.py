"""Patches to the emulated S3."""
