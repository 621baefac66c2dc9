"""Step 6: how a resource policy spreads, and a restore with its cutover under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.cli.actions.restore import write_settings
from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.smoke.access import SmokeClient, load_of, writer_connection
from orchestrator.smoke.policy_spread import Writers, denial, spread_of
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import World

WRITERS = {"account": 200, "local": 10}
SECONDS = {"account": 90.0, "local": 4.0}
EARLY_SECONDS = 2.0
"""When a policy is read and deleted, as by a rollback right after BlockSourceTables."""
BLOCK_HOLDS_SECONDS = 30.0
"""For how long fresh connections must see a policy before it counts as effective (BlockSourceTables)."""


def run(world: World) -> Iterator[Fact]:
    """Yield how long writers see a previous policy, what is read right after a change, and what a cutover does."""
    with ExitStack() as stack:
        table, arn = _scratch_table(world, stack)
        yield from _spread(world, table, arn)
    yield from _cutover(world)


def _spread(world: World, table: str, arn: str) -> Iterator[Fact]:
    client, kind = world.clients("dynamodb"), "local" if world.environment.local else "account"
    with Writers(table, lambda: writer_connection(world), WRITERS[kind]) as writers:
        time.sleep(SECONDS[kind] / 2)
        early_revision = client.put_resource_policy(ResourceArn=arn, Policy=denial(arn))["RevisionId"]
        time.sleep(EARLY_SECONDS)
        rolled_back, early_read = time.time(), _read(client, arn)
        client.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=early_revision)
        time.sleep(SECONDS[kind])
        rollback = spread_of(writers.attempts, rolled_back, denies=False)
        blocked = time.time()
        revision = client.put_resource_policy(ResourceArn=arn, Policy=denial(arn))["RevisionId"]
        time.sleep(EARLY_SECONDS)
        early = _read(client, arn)
        time.sleep(SECONDS[kind])
        attempts = writers.attempts
        unblocked = time.time()
        client.delete_resource_policy(ResourceArn=arn, ExpectedRevisionId=revision)
        time.sleep(EARLY_SECONDS)
        after = _read(client, arn)
        time.sleep(SECONDS[kind])
        later = writers.attempts
    block = spread_of([one for one in attempts if blocked <= one.at < unblocked], blocked, denies=True)
    unblock = spread_of(later, unblocked, denies=False)
    held = block.first is not None and (block.last_before or 0) - block.first <= BLOCK_HOLDS_SECONDS
    yield Fact(
        "12",
        Verdict.PASS if held else Verdict.FAIL,
        f"the first denial came after {block.first} s, the last accepted write after {block.last_before} s",
        vars(block),
    )
    yield Fact(
        "13",
        Verdict.PASS if unblock.first is not None else Verdict.FAIL,
        f"{EARLY_SECONDS:g} s after the block GetResourcePolicy showed {early}; after the removal {after}; "
        f"the last denial came {unblock.last_before} s after the removal",
        vars(unblock),
    )
    yield Fact(
        "13",
        Verdict.PASS if rollback.first is not None else Verdict.FAIL,
        f"a block that was removed after {EARLY_SECONDS:g} s, when GetResourcePolicy showed {early_read}: the last denial "
        f"came {rollback.last_before} s after the removal",
        vars(rollback),
    )


def _cutover(world: World) -> Iterator[Fact]:
    with load_of(world, SmokeClient.of(world)) as load:
        began = time.time()
        recovery = world.restore("smoke-cutover")
        answers = load.answers(began)
    bad = [answer for answer in answers if answer.bad]
    yield Fact(
        "12",
        Verdict.PASS if recovery.outcome is RecoveryOutcome.SUCCEEDED and recovery.in_use else Verdict.FAIL,
        f"the restore with its cutover: {recovery.outcome}, {recovery.reason or 'the restored tables are in use'}",
        {phase.name: round(phase.took.total_seconds(), 1) for phase in recovery.phases},
    )
    span = round(max(one.ended_at for one in bad) - min(one.ended_at for one in bad), 1) if bad else 0.0
    yield Fact(
        "17" if world.environment.network else "12",
        Verdict.MEASURED,
        f"{len(bad)} of {len(answers)} requests of clients failed during the restore, within {span} s",
        {"requests": len(answers), "bad": len(bad), "seconds": span},
    )
    if recovery.in_use:
        write_settings(world.context, recovery.id, world.settings)


def _scratch_table(world: World, stack: ExitStack) -> tuple[str, str]:
    client, name = world.clients("dynamodb"), resource_name("smoke", world.name)
    created = client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stack.callback(client.delete_table, TableName=name)
    client.get_waiter("table_exists").wait(TableName=name)
    return name, created["TableDescription"]["TableArn"]


def _read(client: Any, arn: str) -> str:
    try:
        policy = client.get_resource_policy(ResourceArn=arn)["Policy"]
    except ClientError as error:
        if error_code(error) != "PolicyNotFoundException":
            raise
        return "no policy"
    return "the denial" if "SmokeDenial" in policy else "another policy"
