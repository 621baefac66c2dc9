"""EventBridge: events, rules, targets, buses, and what a pattern matches."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.contract.parity.case import Case, NotCovered, Rejection

T = "events/test_events::"
PATTERNS = "events/test_events_patterns::TestEventPattern::test_event_pattern"

_EVENT = {"Source": "parity", "DetailType": "asked", "Detail": "{}"}


def _put(**change: Any) -> Callable[[Any], Any]:
    """Return a request that puts one event, changed: None removes a field. The answer is its entry."""

    def request(aws: Any) -> Any:
        entry = {name: value for name, value in (_EVENT | change).items() if value is not None}
        answer = aws.client("events").put_events(Entries=[entry])
        (found,) = answer["Entries"]
        facts = {name: found[name] for name in ("ErrorCode", "ErrorMessage") if name in found}
        return facts | {"failed": answer["FailedEntryCount"]}

    return request


def _put_many(count: int) -> Callable[[Any], Any]:
    return lambda aws: aws.client("events").put_events(Entries=[_EVENT] * count)


def _put_to_absent_bus(aws: Any) -> Any:
    """Put an event on a bus that does not exist: AWS accepts it."""
    answer = aws.client("events").put_events(Entries=[_EVENT | {"EventBusName": "parity-absent"}])
    return {"failed": answer["FailedEntryCount"], "has an id": "EventId" in answer["Entries"][0]}


def _rule(aws: Any, pattern: Any = None) -> str:
    name = aws.new_name("rule")
    text = pattern if isinstance(pattern, str) else json.dumps(pattern or {"source": ["parity"]})
    aws.client("events").put_rule(Name=name, EventPattern=text)
    return str(name)


def _listed_rule(aws: Any) -> dict[str, Any]:
    name = _rule(aws)
    (rule,) = aws.client("events").list_rules(NamePrefix=name)["Rules"]
    return {
        "bus": rule["EventBusName"],
        "state": rule["State"],
        "pattern": json.loads(rule["EventPattern"]),
        "arn ends in": rule["Arn"].rpartition(":")[2].replace(name, "NAME"),
    }


def _put_targets(*identities: str) -> Callable[[Any], Any]:
    def request(aws: Any) -> dict[str, Any]:
        client, name = aws.client("events"), _rule(aws)
        queue = "arn:aws:sqs:us-west-1:123456789012:parity"
        answer = client.put_targets(Rule=name, Targets=[{"Id": one, "Arn": queue} for one in identities])
        listed = client.list_targets_by_rule(Rule=name)["Targets"]
        return {"failed": answer["FailedEntryCount"], "targets": [target["Id"] for target in listed]}

    return request


def _replaced_target(aws: Any) -> list[tuple[str, str]]:
    client, name = aws.client("events"), _rule(aws)
    queue = "arn:aws:sqs:us-west-1:123456789012:parity"
    for path in ("$.detail", "$.other"):
        client.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": queue, "InputPath": path}])
    return [(target["Id"], target["InputPath"]) for target in client.list_targets_by_rule(Rule=name)["Targets"]]


def _targets_after_removal(aws: Any) -> list[Any]:
    client, name = aws.client("events"), _rule(aws)
    client.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": "arn:aws:sqs:us-west-1:123456789012:parity"}])
    client.remove_targets(Rule=name, Ids=["one"])
    return list(client.list_targets_by_rule(Rule=name)["Targets"])


def _delete_rule_with_target(aws: Any) -> str:
    client, name = aws.client("events"), _rule(aws)
    client.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": "arn:aws:sqs:us-west-1:123456789012:parity"}])
    client.delete_rule(Name=name)
    return "accepted"


def _create_bus_twice(aws: Any) -> Any:
    name = aws.new_name("bus")
    for _ in range(2):
        aws.client("events").create_event_bus(Name=name)
    return "accepted"


def _matches(pattern: Any, detail: Any) -> Callable[[Any], bool]:
    """Return a request that asks whether a pattern for an event's detail matches a detail."""

    def request(aws: Any) -> bool:
        event = {
            "id": "1",
            "account": "123456789012",
            "source": "parity",
            "time": "2026-01-01T00:00:00Z",
            "region": "us-west-1",
            "resources": [],
            "detail-type": "asked",
            "detail": detail,
        }
        answer = aws.client("events").test_event_pattern(
            EventPattern=json.dumps({"detail": pattern}), Event=json.dumps(event)
        )
        if "Result" not in answer:
            raise NotCovered("it answers no result")
        return bool(answer["Result"])

    return request


def _match(name: str, pattern: Any, detail: Any, expected: bool) -> Case:
    title = f"{json.dumps(pattern)} {'matches' if expected else 'does not match'} {json.dumps(detail)}"
    return Case("events:TestEventPattern", title, f"{PATTERNS}[{name}]", _matches(pattern, detail), expected)


def _invalid(name: str, pattern: Any, reason: str) -> Case:
    """Return a case of PutRule, which checks a pattern as TestEventPattern does (the operation of the recording)."""
    return Case(
        "events:PutRule",
        f"an invalid pattern: {json.dumps(pattern)}",
        f"{PATTERNS}[{name}]",
        lambda aws: _rule(aws, {"detail": pattern}),
        Rejection("InvalidEventPatternException", 400, rf"^Event pattern is not valid\. Reason: {reason}"),
    )


_MALFORMED = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed.", "failed": 1}


def _missing(name: str) -> dict[str, Any]:
    message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
    return {"ErrorCode": "InvalidArgument", "ErrorMessage": message, "failed": 1}


_EVENTS = (
    Case("events:PutEvents", "without a source", T + "TestEvents::test_put_events_without_source", _put(Source=None), _missing("Source")),
    Case("events:PutEvents", "without a detail", T + "TestEvents::test_put_event_without_detail", _put(Detail=None), _missing("Detail")),
    Case("events:PutEvents", "without a detail type", T + "TestEvents::test_put_event_without_detail_type", _put(DetailType=None), _missing("DetailType")),
    Case("events:PutEvents", "a word as detail", T + "TestEvents::test_put_event_malformed_detail[STRING]", _put(Detail="word"), _MALFORMED),
    Case("events:PutEvents", "an array as detail", T + "TestEvents::test_put_event_malformed_detail[ARRAY]", _put(Detail="[1]"), _MALFORMED),
    Case("events:PutEvents", "a JSON string as detail", T + "TestEvents::test_put_event_malformed_detail[SERIALIZED_STRING]", _put(Detail='"word"'), _MALFORMED),
    Case("events:PutEvents", "broken JSON as detail", T + "TestEvents::test_put_event_malformed_detail[MALFORMED_JSON]", _put(Detail='{"a": 1'), _MALFORMED),
    Case("events:PutEvents", "more than 1 MiB", T + "TestEvents::test_put_event_with_too_big_detail", _put(Detail=json.dumps({"a": "x" * 2**21})), Rejection("ValidationException", 400, r"^Total size of the entries in the request is over the limit\.$")),
    Case("events:PutEvents", "11 entries", T + "TestEvents::test_put_events_exceed_limit_ten_entries", _put_many(11), Rejection("ValidationException", 400, r"^1 validation error detected: Value '.*' at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10")),
    Case("events:PutEvents", "a bus that does not exist", T + "TestEventBus::test_put_events_nonexistent_event_bus", _put_to_absent_bus, {"failed": 0, "has an id": True}),
    Case("events:DescribeEventBus", "one that does not exist", T + "TestEventBus::test_describe_delete_not_existing_event_bus", lambda aws: aws.client("events").describe_event_bus(Name="parity-absent"), Rejection("ResourceNotFoundException", 400, r"^Event bus parity-absent does not exist\.$")),
    Case("events:CreateEventBus", "a name that exists", T + "TestEventBus::test_create_multiple_event_buses_same_name", _create_bus_twice, Rejection("ResourceAlreadyExistsException", 400, r"^Event bus [\w-]+ already exists\.$")),
    Case("events:DeleteEventBus", "the default bus", T + "TestEventBus::test_delete_default_event_bus", lambda aws: aws.client("events").delete_event_bus(Name="default"), Rejection("ValidationException", 400, r"^Cannot delete event bus default\.$")),
)  # fmt: skip

_RULES = (
    Case("events:ListRules", "a rule of the default bus", T + "TestEventRule::test_put_list_with_prefix_describe_delete_rule[default]", _listed_rule, {"bus": "default", "state": "ENABLED", "pattern": {"source": ["parity"]}, "arn ends in": "rule/NAME"}),
    Case("events:DescribeRule", "one that does not exist", T + "TestEventRule::test_describe_nonexistent_rule", lambda aws: aws.client("events").describe_rule(Name="parity-absent"), Rejection("ResourceNotFoundException", 400, r"^Rule parity-absent does not exist on EventBus default\.$")),
    Case("events:DeleteRule", "one with a target", T + "TestEventRule::test_delete_rule_with_targets", _delete_rule_with_target, Rejection("ValidationException", 400, r"^Rule can't be deleted since it has targets\.$")),
    Case("events:PutTargets", "one, listed", T + "TestEventTarget::test_put_list_remove_target[default]", _put_targets("one"), {"failed": 0, "targets": ["one"]}),
    Case("events:ListTargetsByRule", "none after removal", T + "TestEventTarget::test_put_list_remove_target[default]", _targets_after_removal, []),
    Case("events:PutTargets", "the same id again replaces it", T + "TestEventTarget::test_put_multiple_targets_with_same_id_single_rule", _replaced_target, [("one", "$.other")]),
    Case("events:PutTargets", "six", T + "TestEventTarget::test_add_exceed_fife_targets_per_rule", _put_targets(*"abcdef"), Rejection("LimitExceededException", 400, r"^The requested resource exceeds the maximum number allowed\.$")),
    Case("events:PutTargets", "an id with other characters", T + "TestEventTarget::test_put_target_id_validation", _put_targets("!@#$"), Rejection("ValidationException", 400, r"^1 validation error detected: Value '!@#\$' at 'targets\.1\.member\.id' failed to satisfy constraint")),
    Case("events:PutTargets", "an id of 65 characters", T + "TestEventTarget::test_put_target_id_validation", _put_targets("x" * 65), Rejection("ValidationException", 400, "at 'targets.1.member.id' failed to satisfy constraint: Member must have length less than or equal to 64")),
    Case("events:PutRule", "a pattern that is no JSON", "events/test_events_patterns::TestEventPattern::test_invalid_json_event_pattern", lambda aws: _rule(aws, "this is no object"), Rejection("InvalidEventPatternException", 400, r"^Event pattern is not valid\. Reason: ")),
    _invalid("string_nolist_EXC", {"a": "x"}, r'"a" must be an object or an array'),
    _invalid("int_nolist_EXC", {"a": 1}, r'"a" must be an object or an array'),
    _invalid("arrays_empty_EXC", {"a": []}, "Empty arrays are not allowed"),
    _invalid("content_numeric_operatorcasing_EXC", {"a": [{"NUMERIC": [">", 1]}]}, "Unrecognized match type NUMERIC"),
    _invalid("content_numeric_number_EXC", {"a": [{"numeric": 1}]}, r"Value of numeric must be an array\."),
    _invalid("content_prefix_int_EXC", {"a": [{"prefix": 1}]}, "prefix match pattern must be a string"),
    _invalid("content_suffix_int_EXC", {"a": [{"suffix": 1}]}, "suffix match pattern must be a string"),
    _invalid("content_anything_prefix_empty_EXC", {"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
    _invalid("content_anything_but_string_null_type_EXC", {"a": [{"anything-but": None}]}, "Value of anything-but must be an array or single string/number value"),
)  # fmt: skip

_MATCHES = (
    _match("string", {"a": ["x"]}, {"a": "x"}, True),
    _match("arrays", {"a": ["x", "y"]}, {"a": ["y", "z"]}, True),
    _match("arrays_NEG", {"a": ["x", "y"]}, {"a": ["z"]}, False),
    _match("boolean", {"a": [False]}, {"a": False}, True),
    _match("boolean_NEG", {"a": [True]}, {"a": False}, False),
    _match("null_value", {"a": [None]}, {"a": None}, True),
    _match("null_value_NEG", {"a": [None]}, {"a": "x"}, False),
    _match("string_empty", {"a": [""]}, {"a": ""}, True),
    _match("key_case_sensitive_NEG", {"a": ["x"]}, {"A": "x"}, False),
    _match("number_comparison_float", {"a": [102.0]}, {"a": 102}, True),
    _match("nested_json_NEG", {"a": {"b": ["x"]}}, {"a": '{"b": "x"}'}, False),
    _match("list_within_dict", {"a": {"b": {"c": ["x"]}}}, {"a": {"b": [{"c": "x"}, {"c": "y"}]}}, True),
    _match("prefix", {"a": [{"prefix": "us-"}]}, {"a": "us-west-1"}, True),
    _match("content_prefix_NEG", {"a": [{"prefix": "eu-"}]}, {"a": "us-west-1"}, False),
    _match("content_prefix_empty", {"a": [{"prefix": ""}]}, {"a": "x"}, True),
    _match("content_prefix_ignorecase", {"a": [{"prefix": {"equals-ignore-case": "US-"}}]}, {"a": "us-west-1"}, True),
    _match("content_suffix", {"a": [{"suffix": ".png"}]}, {"a": "one.png"}, True),
    _match("content_suffix_NEG", {"a": [{"suffix": ".jpg"}]}, {"a": "one.png"}, False),
    _match("content_ignorecase", {"a": [{"equals-ignore-case": "ALICE"}]}, {"a": "alice"}, True),
    _match("content_ignorecase_NEG", {"a": [{"equals-ignore-case": "alice"}]}, {"a": "bob"}, False),
    _match("content_exists", {"a": [{"exists": True}]}, {"a": "x"}, True),
    _match("content_exists_NEG", {"a": [{"exists": True}]}, {"b": "x"}, False),
    _match("content_exists_false", {"a": [{"exists": False}]}, {"b": "x"}, True),
    _match("content_exists_false_NEG", {"a": [{"exists": False}]}, {"a": "x"}, False),
    _match("content_anything_but_string", {"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
    _match("content_anything_but_string_NEG", {"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
    _match("content_anything_but_string_list", {"a": [{"anything-but": ["x", "y"]}]}, {"a": "z"}, True),
    _match("content_anything_but_string_list_NEG", {"a": [{"anything-but": ["x", "y"]}]}, {"a": "x"}, False),
    _match("content_anything_but_string_missing_NEG", {"a": [{"anything-but": "x"}]}, {"b": "y"}, False),
    _match("content_anything_but_string_null", {"a": [{"anything-but": "x"}]}, {"a": None}, True),
    _match("content_anything_but_number", {"a": [{"anything-but": 1}]}, {"a": 2}, True),
    _match("content_anything_but_number_NEG", {"a": [{"anything-but": 1}]}, {"a": 1}, False),
    _match("content_anything_prefix", {"a": [{"anything-but": {"prefix": "init"}}]}, {"a": "done"}, True),
    _match("content_anything_prefix_NEG", {"a": [{"anything-but": {"prefix": "init"}}]}, {"a": "initial"}, False),
    _match("content_anything_suffix_NEG", {"a": [{"anything-but": {"suffix": ".png"}}]}, {"a": "one.png"}, False),
    _match("content_numeric_and", {"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, True),
    _match("content_numeric_and_NEG", {"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 6}, False),
    _match("numeric-string_NEG", {"a": [{"numeric": [">", 0]}]}, {"a": "1"}, False),
    _match("content_wildcard_repeating", {"a": [{"wildcard": "*/dir/*.png"}]}, {"a": "us/dir/dir/one.png"}, True),
    _match("content_wildcard_nonrepeating_NEG", {"a": [{"wildcard": "*/dir/*.png"}]}, {"a": "us/other/one.png"}, False),
    _match("complex_or", {"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
    _match("complex_or_NEG", {"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "z"}, False),
    _match("or-exists", {"$or": [{"a": [{"exists": True}]}, {"b": [{"exists": False}]}]}, {"a": "x", "b": "y"}, True),
    _match("dot_joining_event", {"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
)  # fmt: skip

CASES = _EVENTS + _RULES + _MATCHES
