from __future__ import annotations

from tests.unit.aws.conftest import clock, cloud, lambdas  # noqa: F401
