"""An environment's configuration in place of the real readers, which the local cloud's tests run: one function, as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

from orchestrator.aws.configuration import snapshot
from orchestrator.domain.configuration.normalization import Identities, Part
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot, snapshot_of


class FakeCaller:
    """An STS client that knows who asks."""

    def get_caller_identity(self) -> dict[str, str]:
        role = "arn:aws:sts::123456789012:assumed-role/ib-oauth-task-test"
        return {"Account": "123456789012", "Arn": f"{role}/task"}


def configured(
    _clients: Any, names: Any, *, account: str, region: str, now: datetime, why: str
) -> ConfigurationSnapshot:
    """In place of `read_configuration`."""
    part = Part("function", f"ib-oauth-token-{names.environment}", {"Timeout": 10})
    return snapshot_of(names.environment, Identities(account, region), now, why, [part])


@contextmanager
def configuration_is(read: Any = configured) -> Iterator[None]:
    """Have clouds read this configuration."""
    with mock.patch.object(snapshot, "read_configuration", read):
        yield
