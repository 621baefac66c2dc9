"""An environment's configuration in place of the real readers, which the local cloud's tests run: one function, as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

from orchestrator.aws import configuration
from orchestrator.domain.configuration import Bundle, bundle_of
from orchestrator.domain.normal_form import Identities, Part


class FakeCaller:
    """An STS client that knows who asks."""

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}


def configured(_clients: Any, names: Any, *, account: str, region: str, now: datetime, why: str) -> Bundle:
    """In place of `read_configuration`."""
    part = Part("function", f"ib-oauth-token-{names.environment}", {"Timeout": 10})
    return bundle_of(names.environment, Identities(account, region), now, why, [part])


@contextmanager
def configuration_is(read: Any = configured) -> Iterator[None]:
    """Have clouds read this configuration."""
    with mock.patch.object(configuration, "read_configuration", read):
        yield
