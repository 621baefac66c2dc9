"""TakeAnswer: what a person's answer to a HOLD means, as a decision of the chain."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Request, after_hold
from orchestrator.domain.records import Ask, Phase
from orchestrator.tasks import Answer, Given, task, write_down


def take_answer(given: Given, cloud: Cloud) -> Answer:
    """Decide by the answer that ended the wait.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    answer = msgspec.convert(given.given["answer"], Ask)
    decision = after_hold(deployment.plan, given.cursor, Request(answer.request), answer.by)
    return write_down(given, cloud, replace(deployment, phase=Phase.SHIFTING), decision)


handler = task(take_answer)
