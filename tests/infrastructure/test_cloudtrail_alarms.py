"""The security alarms on CloudTrail: each fires at the events that it is for, and none at our own nights."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import datetime

import pytest

from infrastructure.security.cloudtrail_alarms import (
    MAX_PATTERN_CHARACTERS,
    MAX_PATTERNS_WITH_REGULAR_EXPRESSIONS,
    MAX_REGULAR_EXPRESSIONS,
    cloudtrail_alarms,
)
from orchestrator import environments
from orchestrator.aws.ledger.seeded_grants import PURPOSE
from orchestrator.smoke.trail_events import Event, by_role, by_root, by_service, by_user, call, events_by_alarm, night
from tests.infrastructure.cloudtrail_events import permitted
from tests.infrastructure.filter_patterns import (
    is_like,
    matches,
    regular_expressions,
    texts,
    tokens_of,
)
from tests.infrastructure.templates import HOME_REGION, OTHER_REGION, resources
from tests.infrastructure.test_security import security

PERIOD_MINUTES = 5
PROD = environments.load("prod")
MOVED = dataclasses.replace(PROD, region=OTHER_REGION, lost_region=HOME_REGION)
SESSION = {"encryptionContext": {"environment": "prod", "purpose": "session", "owner": "family#1"}}
GRANTS = {"encryptionContext": {"environment": "prod", "purpose": PURPOSE, "recovery": "d1"}}


def ours(name: str, environment: str = "prod") -> Event:
    return by_role(f"ib-oauth-{name}-{environment}")


def firing(environment: environments.Environment, events: list[Event], *, absent_differs: bool = False) -> set[str]:
    """The alarms that fire if these events happen: those with more events than their threshold within a period."""
    found = set()
    for alarm in cloudtrail_alarms(environment):
        counts = Counter(
            period(event) for event in events if matches(alarm.pattern, event, absent_differs=absent_differs)
        )
        if max(counts.values(), default=0) > alarm.threshold:
            found.add(alarm.name)
    return found


def period(event: Event) -> int:
    at = event.get("eventTime")
    return int(datetime.fromisoformat(at).timestamp()) // (60 * PERIOD_MINUTES) if at else 0


# --- the patterns are what CloudWatch Logs takes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "like", "unlike"),
    [
        ('"*Event"', ["PutEvent", "GetEvent", "Event"], ["EventId"]),
        ('"Event*"', ["EventId", "EventName", "Event"], ["PutEvent"]),
        ('"Ev*ent"', ["Ev*ent"], ["Event", "Ev-ent"]),  # AWS's own example
        ('"*Event*"', ["PutEvents", "Event"], ["Put"]),
        ('"*"', ["anything", ""], []),
        ('"a.b"', ["a.b"], ["axb", "A.b"]),
        ("%^ib-oauth-.*-prod$%", ["ib-oauth-token-prod"], ["ib-oauth-token-prod-eu", "x-ib-oauth-token-prod"]),
        ("%Trail2%", ["UpdateTrail2x"], ["UpdateTrail"]),
    ],
)
def test_an_asterisk_is_a_wildcard_at_the_ends_of_a_term_only(term, like, unlike):
    assert [text for text in like if not is_like(text, term)] == []
    assert [text for text in unlike if is_like(text, term)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.a = "b" ',  # no closing brace
        '{ ($.a = "b" }',
        '{ $.a = "b" $.c = "d" }',
        "{ $.a = %(a|b)% }",  # AWS refuses parentheses in a regular expression
        "{ $.a = %b!% }",
        "{ ($.a = %b%) || ($.a = %c%) || ($.a = %d%) }",  # at most two
        "{ $.a ~ %b% }",
    ],
)
def test_what_cloudwatch_logs_refuses_is_refused(pattern):
    with pytest.raises(ValueError, match=r"\S"):
        matches(pattern, {"a": "b"})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.user.id = "1" && $.kind = "no" || $.kind = "call" }', True),  # && binds more tightly
        ('{ $.user.id = "1" && ($.kind = "no" || $.kind = "call") }', True),
        ('{ $.user.id = "2" && ($.kind = "no" || $.kind = "call") }', False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.kind NOT EXISTS }", False),
        ('{ $.user = "1" }', False),
        ('{ $.user != "1" }', False),  # AWS: an object matches nothing
        ('{ $.kind != "c*" }', False),
        ('{ $.kind != "d*" }', True),
    ],
)
def test_conditions_are_combined_as_aws_does(pattern, expected):
    assert matches(pattern, {"user": {"id": 1}, "kind": "call"}) is expected


@pytest.mark.parametrize("environment", [PROD, MOVED], ids=["home", "elsewhere"])
def test_no_pattern_has_a_literal_asterisk_or_is_beyond_a_limit(environment):
    alarms = cloudtrail_alarms(environment)
    tokens = {alarm.name: tokens_of(alarm.pattern) for alarm in alarms}

    assert [text for found in tokens.values() for text in texts(found) if "*" in text[1:-1]] == []
    assert [alarm.name for alarm in alarms if len(alarm.pattern) > MAX_PATTERN_CHARACTERS] == []
    expressions = [len(regular_expressions(found)) for found in tokens.values()]
    assert max(expressions) <= MAX_REGULAR_EXPRESSIONS
    assert sum(map(bool, expressions)) <= MAX_PATTERNS_WITH_REGULAR_EXPRESSIONS


def test_the_templates_have_these_patterns(prod):
    filters = resources(security(prod), "AWS::Logs::MetricFilter").values()

    assert {one["FilterName"]: one["FilterPattern"] for one in filters} == {
        f"ib-oauth-{alarm.name}-prod": alarm.pattern for alarm in cloudtrail_alarms(PROD)
    }


# --- what they fire at ---------------------------------------------------------------------------------------

DENIED = {"error": "AccessDenied"}
EVENTS = events_by_alarm("prod")

QUIET: list[Event] = [
    call(ours("token"), "kms", "Sign"),
    call(ours("token", "staging"), "kms", "Sign", **DENIED),
    call(by_role("somebody"), "s3", "ListBuckets", **DENIED),
    call(ours("token"), "lambda", "Invoke", error="TooManyRequestsException"),
    call(ours("authorize"), "kms", "Decrypt", **SESSION),
    call(by_user(), "kms", "Decrypt", encryptionContext={"environment": "dev"}),
    call(by_user(), "kms", "Decrypt", keyId="x"),
    call(ours("task-check-seeded-grants"), "kms", "Decrypt", **GRANTS),
    call(by_user(), "kms", "DescribeKey"),
    call(by_user(), "lambda", "GetAlias"),
    call(by_user(), "dynamodb", "DescribeTable"),
    call(by_user(), "iam", "GetRolePolicy"),
    call(by_user(), "iam", "ListPolicies"),
    call(by_user(), "s3", "PutBucketPolicy", bucketName="another"),
    call(by_root(invokedBy="support.amazonaws.com"), "iam", "ListUsers"),
    call(by_root(), "kms", "RotateKey") | {"eventType": "AwsServiceEvent"},
    call(by_user(), "cloudtrail", "LookupEvents"),
    call(by_service("config"), "dynamodb", "DescribeTable"),
    call(by_user(), "signin", "ConsoleLogin")
    | {"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "Yes"}},
    call(by_user(), "signin", "ConsoleLogin")
    | {"responseElements": {"ConsoleLogin": "Failure"}, "additionalEventData": {"MFAUsed": "No"}},
    call(by_role("sso"), "signin", "ConsoleLogin") | {"responseElements": {"ConsoleLogin": "Success"}},
]
"""Events that no alarm is for."""
READINGS = pytest.mark.parametrize("absent_differs", [False, True], ids=["absent is no difference", "absent differs"])


def test_every_alarm_has_its_events():
    assert {alarm.name for alarm in cloudtrail_alarms(PROD)} == EVENTS.keys()


@pytest.mark.strategy("Monitoring & Alerts: Security notifications")
@READINGS
@pytest.mark.parametrize("environment", [PROD, MOVED], ids=["home", "elsewhere"])
@pytest.mark.parametrize("name", EVENTS)
def test_an_alarm_fires_at_the_events_that_it_is_for_and_no_other_alarm_does(name, environment, absent_differs):
    """The threshold of a spike is above one event: its events count together."""
    together = name == "access-denied-spike"
    for events in [EVENTS[name]] if together else [[event] for event in EVENTS[name]]:
        assert firing(environment, events, absent_differs=absent_differs) == {name}, events[0]


@READINGS
@pytest.mark.parametrize("environment", [PROD, MOVED], ids=["home", "elsewhere"])
def test_no_alarm_fires_at_what_needs_no_attention(environment, absent_differs):
    assert firing(environment, QUIET, absent_differs=absent_differs) == set()


def test_twenty_denied_calls_are_no_spike():
    denied = call(by_user(), "s3", "ListBuckets", **DENIED)
    assert firing(PROD, [denied] * 20) == set()


def test_a_denied_call_of_ours_is_seen_in_either_region():
    role = f"ib-oauth-token-prod-{OTHER_REGION}"
    denied = call(by_role(role), "dynamodb", "DescribeTable", **DENIED)
    assert firing(MOVED, [denied]) == {"access-denied"}


# --- our own nights ------------------------------------------------------------------------------------------


@READINGS
@pytest.mark.parametrize("environment", [PROD, MOVED], ids=["home", "elsewhere"])
@pytest.mark.parametrize(
    ("whose", "suffix"), [("prod", ""), ("prod", f"-{OTHER_REGION}"), ("staging", ""), ("dev", f"-{OTHER_REGION}")]
)
def test_a_night_fires_no_alarm(environment, whose, suffix, absent_differs):
    """Not our own, in either region, and not that of another environment in the same account."""
    events = night(whose, suffix)

    assert len(events) > 40
    assert firing(environment, events, absent_differs=absent_differs) == set()


@READINGS
@pytest.mark.parametrize("name", ["dev", "prod"])
def test_nothing_that_our_roles_may_do_fires_an_alarm_of_ours_or_of_another_environment(prod, name, absent_differs):
    events = permitted(prod)

    assert {event["eventSource"].partition(".")[0] for event in events} >= {"kms", "dynamodb", "lambda", "iam"}
    assert len(events) > 400
    assert firing(environments.load(name), events, absent_differs=absent_differs) == set()


@READINGS
def test_nothing_that_our_roles_may_do_after_a_failover_fires_an_alarm(elsewhere, absent_differs):
    one = elsewhere("staging")
    staging = environments.load("staging")
    moved = dataclasses.replace(staging, region=OTHER_REGION, lost_region=HOME_REGION)

    assert firing(staging, permitted(one), absent_differs=absent_differs) == set()
    assert firing(moved, permitted(one), absent_differs=absent_differs) == set()
