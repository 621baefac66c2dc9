"""Adapters of the OAuth service's own tables: tokens, signing keys and user data."""
