"""Findings reach their owners: a kept report changes the register, and the reconcile handler sends what is due.

The event is put before it is noted. So it may come twice, and is one message by its dedup key; none is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.domain.errors import OrchestratorError, Throttled
from orchestrator.domain.findings.register import EVENT, FindingRegister, after_message, event_detail, next_message

ATTEMPTS = 10
"""How often a change is decided again because another writer was faster."""


def change_findings(cloud: Cloud, decide: Callable[[FindingRegister], FindingRegister]) -> None:
    """Write a change of the register; a change that changes nothing is not written.

    Raises:
        Throttled: other writers were always faster.
    """
    for _ in range(ATTEMPTS):
        register = cloud.findings.read_register()
        after = decide(register)
        if after == register or cloud.findings.write_register(after):
            return
    raise Throttled(f"the findings could not be changed in {ATTEMPTS} attempts: other writers were always faster")


def attend_findings(cloud: Cloud) -> str:
    """Send the messages that are due; return what failed. A second run at the same time sends nothing."""
    try:
        now = cloud.now()
        while message := next_message(cloud.findings.read_register(), now):
            cloud.bus.put_event(EVENT, {"environment": cloud.environment, **event_detail(message, now)})
            sent = message
            change_findings(cloud, lambda register: after_message(register, sent, now))  # noqa: B023 - called at once
    except (OrchestratorError, ClientError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
