"""What a change comes to: each environment's templates as a text, and what turning one number changes."""

import dataclasses

import pytest

from orchestrator import environments
from tests.infrastructure.snapshot import FOLDER, lines_of, render
from tests.infrastructure.templates import ENVIRONMENTS, changed, synthesise


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_templates_are_as_they_were_reviewed(synthesised, name):
    """What differs is in the diff that `make snapshots` leaves: read it, and commit it with the change."""
    reviewed = {file.stem: file.read_text() for file in (FOLDER / name).glob("*.txt")}

    found = render(synthesised(name))

    assert found.keys() == reviewed.keys()
    for stack, text in found.items():
        assert text == reviewed[stack], f"{stack}: run `make snapshots` and read what changed"


def test_the_same_sources_give_the_same_templates_to_the_byte(prod, tmp_path):
    again = synthesise(tmp_path, environments.load("prod"))

    assert [file.name for file in again.files] == [file.name for file in prod.files]
    for one, other in zip(prod.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def with_function(environment, name: str, **changes):
    functions = environment.service.functions
    return changed(environment, functions={**functions, name: dataclasses.replace(functions[name], **changes)})


def with_part(environment, part: str, **changes):
    return dataclasses.replace(environment, **{part: dataclasses.replace(getattr(environment, part), **changes)})


def with_units(environment, table: str, **changes):
    units = environment.stores.units
    return with_part(environment, "stores", units={**units, table: dataclasses.replace(units[table], **changes)})


# A change of one number, and the properties that it may change: type, id where only one may, first part of the property.
TURNED = {
    "a function's memory": (
        lambda prod: with_function(prod, "token", memory_mb=2048),
        {
            "AWS::Lambda::Function TokenFunction MemorySize",
            *(f"AWS::Lambda::Function {name}Function Environment" for name in ("Authorize", "Public", "Token")),
        },
    ),
    "what is reserved for a function": (
        lambda prod: with_function(prod, "token", reserved_concurrency=250),
        {"AWS::Lambda::Function TokenFunction ReservedConcurrentExecutions"},
    ),
    "what the stage lets through": (
        lambda prod: changed(prod, throttle_requests_per_second=400),
        {
            "AWS::ApiGateway::Stage ApiRestDeploymentStageprod MethodSettings",
            "AWS::CloudWatch::Alarm ApiThrottleNearLimitAlarm Threshold",
        },
    ),
    "what one address may ask": (
        lambda prod: with_part(
            prod, "api", firewall=dataclasses.replace(prod.api.firewall, source_requests_per_five_minutes=999)
        ),
        {"AWS::WAFv2::WebACL ApiFirewallAcl Rules"},
    ),
    "the upper bound of a table": (
        lambda prod: with_units(prod, "tokens", most_reads=4001),
        # A restore of a deleted table gets the bounds from the functions' variables.
        {
            "AWS::ApplicationAutoScaling::ScalableTarget TokensTableReadScalingTarget MaxCapacity",
            "AWS::Lambda::Function TaskCompareSettings Environment",
            "AWS::Lambda::Function TaskReapplySettings Environment",
        },
    ),
    "how long backups are kept": (
        lambda prod: with_part(prod, "backups", keep_days=91),
        {"AWS::Backup::BackupPlan Plan BackupPlan", "AWS::Backup::BackupVault Vault LockConfiguration"},
    ),
    "how long logs are kept": (
        lambda prod: dataclasses.replace(prod, log_retention_days=400),
        # The security stack's archive of the trail is a log, too.
        {
            "AWS::Logs::LogGroup * RetentionInDays",
            "AWS::S3::Bucket * LifecycleConfiguration",
            "AWS::S3::Bucket * ObjectLockConfiguration",
        },
    ),
}


@pytest.mark.parametrize("what", TURNED)
def test_one_number_changes_what_it_should_and_nothing_else(prod, tmp_path, what):
    change, wanted = TURNED[what]
    other = synthesise(tmp_path, change(environments.load("prod")))
    found = set()

    assert [file.name for file in other.files] == [file.name for file in prod.files]
    for one, two in zip(prod.all, other.all, strict=True):
        before, after = lines_of(one), lines_of(two)
        assert before.keys() == after.keys()
        for name, lines in before.items():
            for path in lines.keys() | after[name].keys():
                if lines.get(path) != after[name].get(path):
                    found.add(f"{name} {path.split('.')[0].split('[')[0]}")

    everywhere = {one for one in wanted if " * " in one}
    kinds = {f"{one.split()[0]} * {one.split()[2]}" for one in found}
    assert (kinds if everywhere else found) == wanted
