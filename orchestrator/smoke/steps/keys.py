"""Step 7: rotate a signing key, and look at the security alarms of the whole run."""

from __future__ import annotations

import time
from collections.abc import Iterator

from orchestrator.application.key_rotation import publish_new_key
from orchestrator.domain.errors import KeyNotYetUsable
from orchestrator.domain.signing_keys import KeyPhase, SigningKeyRing
from orchestrator.local.cdk_deploy import SECURITY
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import World

USABLE_SECONDS = 900.0
"""AWS: up to five minutes until a tag affects the authorization of a KMS key."""


def run(world: World) -> Iterator[Fact]:
    """Yield how long a new key could not be used, and which security alarms were in ALARM since the run began."""
    yield _rotation(world)
    yield _security_alarms(world)


def _rotation(world: World) -> Fact:
    began, early = time.monotonic(), 0

    def publish() -> SigningKeyRing | None:
        nonlocal early
        try:
            return publish_new_key(world.context.cloud.key_ring, world.context.cloud.now)
        except KeyNotYetUsable:
            early += 1
            return None

    ring = world.wait_until(publish, USABLE_SECONDS, "the use of a new signing key", 10.0)
    seconds = round(time.monotonic() - began, 1)
    return Fact(
        "19",
        Verdict.PASS if ring.keys_in_phase(KeyPhase.PUBLISHED) else Verdict.FAIL,
        f"a new signing key was published after {seconds} s, {early} attempts came too early",
        {"seconds": seconds, "early": early},
    )


def _security_alarms(world: World) -> Fact:
    client = world.clients("cloudwatch")
    names = [
        one["PhysicalResourceId"]
        for page in world.clients("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=world.stack(SECURITY))
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::CloudWatch::Alarm"
    ]
    fired = [
        f"{name} at {item['Timestamp'].isoformat()}"
        for name in names
        for page in client.get_paginator("describe_alarm_history").paginate(
            AlarmName=name, HistoryItemType="StateUpdate", StartDate=world.started_at
        )
        for item in page["AlarmHistoryItems"]
        if "to ALARM" in item["HistorySummary"]
    ]
    return Fact(
        "7",
        Verdict.FAIL if fired or not names else Verdict.PASS,
        f"{len(fired)} of {len(names)} security alarms fired during our own deployments, drills and restores",
        {"fired": fired},
    )
