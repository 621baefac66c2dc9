"""Scenes that the tests of several steps of a failover share."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

from orchestrator.application.failover.planning import open_failover
from orchestrator.application.failover.releases import record_home_release
from orchestrator.aws.ledger.failovers import ReadFailover
from tests.fakes.errors import client_error
from tests.fakes.s3 import FakeS3
from tests.fakes.tables import Tables


def opened(world, **changes):
    read = open_failover(world.cloud, "fo-1", "ann", "lost")
    return ReadFailover(replace(read.failover, **changes), read.version)


def serve_at_home(world, *codes):
    """Let the home region serve these releases one after the other, a minute each, and record them here."""
    for code in codes:
        world.clock.advance(60)
        record_home_release(world.cloud, lambda _service, code=code: at_home(code))


def with_domain(world, zone="Z0EXAMPLE", status="INSYNC", served=True):
    def get_domain_name(**_):
        if not served:
            raise client_error("NotFoundException", "no")
        return {"regionalDomainName": "d-1.example", "regionalHostedZoneId": "Z1"}

    world.cloud.settings.update({"API_DOMAIN": "login.example.com", "HOSTED_ZONE_ID": zone})
    world.clients["apigateway"] = SimpleNamespace(get_domain_name=get_domain_name)
    world.clients["route53"] = SimpleNamespace(
        change_resource_record_sets=lambda **_: {"ChangeInfo": {"Id": "C1"}},
        get_change=lambda **_: {"ChangeInfo": {"Status": status}},
    )


def evaluable(world, lease_minutes=10):
    keys = Tables("home-keys")
    item = {"pk": {"S": "issuing-lease"}, "epoch": {"N": "1"}}
    until = (world.clock.now() + timedelta(minutes=lease_minutes)).timestamp()
    keys.put_item(TableName="home-keys", Item={**item, "until": {"N": str(until)}})
    world.cloud.settings.update({"KEYS_TABLE": "home-keys", "OPERATORS": "1"})
    with_domain(world)
    evidence, copies = FakeS3(), FakeS3()
    for stored in (evidence, copies):
        stored.put_object(Bucket="b", Key="configuration/c.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    world.clients["s3"] = copies
    world.cloud.settings.update({"HOME_EVIDENCE_BUCKET": "evidence", "EVIDENCE_COPIES_BUCKET": "copies"})
    dynamodb = SimpleNamespace(get_item=keys.get_item, get_paginator=world.home_ledger.get_paginator)
    return {"dynamodb": dynamodb, "lambda": world.plane, "s3": evidence}.__getitem__


def reach_home(monkeypatch, home):
    """Let functions of this region reach these clients of the home region."""
    for module in ("evaluation", "managed_clients"):
        monkeypatch.setattr(
            f"orchestrator.application.failover.{module}.brief_client_in", lambda service, _region: home(service)
        )


def at_home(code):
    """The home region's Lambda, whose live aliases serve this code."""
    return SimpleNamespace(get_function_configuration=lambda **_: {"CodeSha256": code})


def internal_error(**_):
    raise client_error("InternalError", "no", status=500)
