"""What the record keeps of a call, and what it leaves out because it is only of a run."""

import json
from types import SimpleNamespace

import pytest

from tests.infrastructure.permissions import recorded
from tests.infrastructure.permissions.recorded import Call, Place, check_calls, normalise, read, write

PLACE = Place("local", "000000000000", "us-west-1", {"0a-1": "session"})
ROLE = "arn:aws:sts::000000000000:assumed-role/ib-oauth-task-start-restore-local/ib-oauth-task-start-restore-local"
TABLE = "arn:aws:dynamodb:us-west-1:000000000000:table/"
OWN = "arn:aws:dynamodb:{region}:{account}:table/"


def line(resource: str, action: str = "dynamodb:GetItem", principal: str = ROLE, **context) -> str:
    return json.dumps({"principal": principal, "action": action, "resource": resource, "context": context})


@pytest.mark.parametrize(
    ("resource", "kept"),
    [
        (f"{TABLE}ib-oauth-state-local", f"{OWN}ib-oauth-state-{{environment}}"),
        (f"{TABLE}ib-oauth-local", f"{OWN}ib-oauth-{{environment}}"),
        (f"{TABLE}ib-oauth-drill-dr-green-state-local", f"{OWN}ib-oauth-drill-{{recovery}}-state-{{environment}}"),
        (
            f"{TABLE}ib-oauth-restored-20261129-070809-tokens-local/stream/2026-11-29T07:08:09.123",
            f"{OWN}ib-oauth-restored-{{recovery}}-tokens-{{environment}}/stream/{{label}}",
        ),
        (f"{TABLE}ib-oauth-state-local/backup/017-ab", f"{OWN}ib-oauth-state-{{environment}}/backup/{{backup}}"),
        (f"{TABLE}ib-oauth-state-local/export/017-ab", f"{OWN}ib-oauth-state-{{environment}}/export/{{export}}"),
        ("arn:aws:kms:us-west-1:000000000000:key/0a-1", "arn:aws:kms:{region}:{account}:key/{key:session}"),
        ("arn:aws:kms:us-west-1:000000000000:key/0a-2", "arn:aws:kms:{region}:{account}:key/{key:rotated}"),
        (
            "arn:aws:lambda:us-west-1:000000000000:function:ib-oauth-token-local:12",
            "arn:aws:lambda:{region}:{account}:function:ib-oauth-token-{environment}:{version}",
        ),
        (
            "arn:aws:lambda:us-west-1:000000000000:function:ib-oauth-token-local:live",
            "arn:aws:lambda:{region}:{account}:function:ib-oauth-token-{environment}:live",
        ),
        (
            "arn:aws:states:us-west-1:000000000000:execution:ib-oauth-drill-local:dr-1",
            "arn:aws:states:{region}:{account}:execution:ib-oauth-drill-{environment}:{execution}",
        ),
        (
            "arn:aws:s3:::ib-oauth-evidence-local-000000000000/configuration/2026/a.json",
            "arn:aws:s3:::ib-oauth-evidence-{environment}-{account}/{object}",
        ),
        (
            "arn:aws:s3:::ib-oauth-evidence-local-000000000000",
            "arn:aws:s3:::ib-oauth-evidence-{environment}-{account}",
        ),
        (
            "arn:aws:apigateway:us-west-1::/restapis/ab12/stages/local",
            "arn:aws:apigateway:{region}::/restapis/{api}/stages/{id}",
        ),
        (
            "arn:aws:cloudformation:us-west-1:000000000000:stack/ib-oauth-stack-local/5a-6b",
            "arn:aws:cloudformation:{region}:{account}:stack/ib-oauth-stack-{environment}/{id}",
        ),
    ],
)
def test_a_resource_is_kept_without_account_region_environment_and_run(resource, kept):
    assert normalise(line(resource), PLACE) == [Call("task-start-restore", "dynamodb:GetItem", kept)]


def test_of_the_condition_keys_those_that_policies_use_are_kept_without_ids():
    context = {
        "dynamodb:LeadingKeys": ["code#b", "code#a", "ib-oauth-state-local", "epoch"],
        "dynamodb:Select": "ALL_ATTRIBUTES",
        "kms:EncryptionContext:environment": "local",
        "kms:EncryptionContext:owner": "a person",
        "aws:requesttag/ib-oauth:signing-key": "local",
    }
    kept = {
        "kms:EncryptionContext:environment": "{environment}",
        "aws:requesttag/ib-oauth:signing-key": "{environment}",
    }

    def keys_of(role):
        return [
            call.keys
            for call in normalise(
                line(f"{TABLE}a", principal=ROLE.replace("task-start-restore", role), **context), PLACE
            )
        ]

    assert keys_of("task-start-restore") == [kept]
    assert keys_of("token") == [
        kept | {"dynamodb:LeadingKeys": key} for key in ("code#{id}", "epoch", "ib-oauth-state-{environment}")
    ]


@pytest.mark.parametrize(
    ("resource", "kept"),
    [
        ("arn:aws:lambda:us-west-1:000000000000:function:ib-oauth-token-local", ":function:{every}"),
        ("arn:aws:lambda:us-west-1:000000000000:function:ib-oauth-token-local:live", ":function:{every}:live"),
        ("arn:aws:iam::000000000000:role/ib-oauth-stack-local-ApiRole0A-09D1", ":role/{every}"),
        (
            "arn:aws:events:us-west-1:000000000000:rule/ib-oauth-local/ib-oauth-event-release-ready-local",
            ":rule/{every}",
        ),
        ("arn:aws:events:us-west-1:000000000000:event-bus/ib-oauth-local", ":event-bus/ib-oauth-{environment}"),
        ("arn:aws:sns:us-west-1:000000000000:ib-oauth-operators-local", ":sns:{region}:{account}:{every}"),
        ("arn:aws:kms:us-west-1:000000000000:key/0a-1", ":key/{key:every}"),
        ("arn:aws:s3:::ib-oauth-evidence-local-000000000000", "ib-oauth-evidence-{environment}-{account}"),
        ("*", "*"),
    ],
)
def test_what_a_snapshot_reads_of_everything_is_kept_once(resource, kept):
    principal = ROLE.replace("start-restore", "snapshot-configuration")
    (call,) = normalise(line(resource, "a:Describe", principal), PLACE)

    assert call.resource.endswith(kept)


def test_what_a_snapshot_task_does_with_items_is_kept_by_name():
    principal = ROLE.replace("start-restore", "snapshot-configuration")
    of_ledger = line(f"{TABLE}ib-oauth-ledger-local", principal=principal)
    key = "arn:aws:kms:us-west-1:000000000000:key/0a-1"
    of_key = line(key, "kms:Decrypt", principal, **{"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"})
    of_variables = line(key, "kms:Decrypt", principal, **{"kms:ViaService": "lambda.us-west-1.amazonaws.com"})

    resources = [call.resource for one in (of_ledger, of_key, of_variables) for call in normalise(one, PLACE)]
    assert [one.rpartition("/")[2] for one in resources] == [
        "ib-oauth-ledger-{environment}",
        "{key:session}",
        "{key:every}",
    ]


@pytest.mark.parametrize(
    "principal", ["arn:aws:iam::000000000000:root", "arn:aws:sts::000000000000:assumed-role/cdk/x"]
)
def test_a_call_by_another_principal_is_not_kept(principal):
    assert normalise(line("*", principal=principal), PLACE) == []


def here_with(tmp_path, *lines: str):
    file = tmp_path / "calls.jsonl"
    file.write_text("".join(f"{one}\n" for one in lines))
    pages = [{"Aliases": [{"TargetKeyId": "0a-1", "AliasName": "alias/ib-oauth-session-local"}]}]
    paginator = SimpleNamespace(paginate=lambda: pages)
    kms = SimpleNamespace(get_paginator=lambda _: paginator)
    return SimpleNamespace(
        local=SimpleNamespace(calls=file, region="us-west-1"), cloud=SimpleNamespace(clients=lambda _: kms)
    )


def test_a_call_that_the_record_lacks_fails_the_run_and_recording_adds_it(tmp_path, monkeypatch):
    file = tmp_path / "recorded_calls.jsonl"
    monkeypatch.setattr(recorded, "FILE", file)
    monkeypatch.setattr(recorded.read, "__defaults__", (file,))
    monkeypatch.setattr(recorded.write, "__defaults__", (file,))
    old, gone = Call("token", "kms:Sign", "a"), Call("token", "kms:Sign", "b")
    write({old: {"other", "this"}, gone: {"this"}})
    here = here_with(tmp_path, line("arn:aws:kms:us-west-1:000000000000:key/0a-1", "kms:Decrypt"))

    with pytest.raises(AssertionError, match=r"1 calls of this run are not in recorded_calls.jsonl.*\{key:session\}"):
        check_calls(here, "this")

    monkeypatch.setenv(recorded.RECORDING, "1")
    check_calls(here, "this")
    new = Call("task-start-restore", "kms:Decrypt", "arn:aws:kms:{region}:{account}:key/{key:session}")
    assert read() == {new: {"this"}, old: {"other"}}
    monkeypatch.delenv(recorded.RECORDING)
    check_calls(here, "this")


def test_a_run_without_a_record_fails(tmp_path):
    with pytest.raises(AssertionError, match="no call was recorded"):
        check_calls(here_with(tmp_path), "this")
