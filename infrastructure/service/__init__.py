"""The OAuth service's stack."""
