"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Two cores run several local clouds beside these: how long an example takes says nothing about what it shows.
settings.register_profile("shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-cores")
