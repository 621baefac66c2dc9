"""Signing keys: the key ring and KMS."""
