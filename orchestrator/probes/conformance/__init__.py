"""Conformance of the OAuth service: each control of the framework `oauth` as requests to the environment's issuer."""
