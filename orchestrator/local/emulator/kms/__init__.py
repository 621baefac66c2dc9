"""Patches to the emulated KMS, and how other services use its keys."""
