"""Errors of the signing keys."""

from __future__ import annotations


class KeyUnavailable(Exception):
    """KMS did not respond, or rejected the request."""
