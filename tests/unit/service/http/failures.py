"""Clients of AWS that fail."""

from __future__ import annotations


def raising(error):
    def fail(**_):
        raise error

    return fail
