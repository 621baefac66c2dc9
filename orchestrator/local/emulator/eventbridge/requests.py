"""EventBridge: entries that PutEvents fails, and requests on rules and targets that are rejected.

AWS:

- An entry without a source, a detail type or a detail, and one whose detail is no JSON object, fails by itself
  (InvalidArgument, MalformedDetail); the other entries are accepted. A request of more than 1 MiB is rejected.
  https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
- A rule with targets cannot be deleted. A rule has at most five targets; a target's id has at most 64 characters of a
  fixed set. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
  https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
  https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html

The answers were recorded on AWS (`tests/contract/parity/cases/events.py` names the recordings).

Stock MiniStack accepts all of this, and deletes a rule with its targets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62",
    "ministack.services.eventbridge._put_targets": "9d129f83c189b4c9",
    "ministack.services.eventbridge._delete_rule": "d9465abcda0ef977",
    "ministack.services.eventbridge._describe_rule": "15f985ec340c7588",
    "ministack.services.eventbridge._rule_key": "b580a78d885d20be",
}

MOST_TARGETS: Final = 5
LONGEST_TARGET_ID: Final = 64
LARGEST_REQUEST_BYTES: Final = 2**20

_TARGET_ID: Final = re.compile(r"[.\-_A-Za-z0-9]+")

Request = Mapping[str, Any]
Operation = Callable[..., Any]


def entry_error(entry: Request) -> tuple[str, str] | None:
    """Return the error code and message of an entry of PutEvents; None if AWS accepts it."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def entry_bytes(entry: Request) -> int:
    """Return the size of an entry of PutEvents as AWS counts it."""
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + list(entry.get("Resources") or ())
    return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") is not None else 0)


def target_error(targets: list[Request], existing: set[str]) -> tuple[str, str] | None:
    """Return the error code and message of PutTargets; None if AWS accepts it. `existing`: the ids that are there."""
    for number, target in enumerate(targets, 1):
        identity = str(target.get("Id", ""))
        rule = (
            "regular expression pattern: [\\.\\-_A-Za-z0-9]+"
            if not _TARGET_ID.fullmatch(identity)
            else "have length less than or equal to 64"
            if len(identity) > LONGEST_TARGET_ID
            else ""
        )
        if rule:
            must = f"Member must {'satisfy ' if rule.startswith('regular') else ''}{rule}"
            return "ValidationException", (
                f"1 validation error detected: Value '{identity}' at 'targets.{number}.member.id' failed to satisfy "
                f"constraint: {must}"
            )
    if len(existing | {str(target.get("Id")) for target in targets}) > MOST_TARGETS:
        return "LimitExceededException", "The requested resource exceeds the maximum number allowed."
    return None


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import eventbridge  # noqa: PLC0415 - only in the server process

    wrap(eventbridge, "_put_events", lambda original: _failing_entries(original, eventbridge))
    wrap(eventbridge, "_put_targets", lambda original: _checking_targets(original, eventbridge))
    wrap(eventbridge, "_delete_rule", lambda original: _keeping_targets(original, eventbridge))
    wrap(eventbridge, "_describe_rule", lambda original: _naming_the_bus(original, eventbridge))


def _failing_entries(original: Operation, eventbridge: Any) -> Operation:
    def put_events(data: Request, allow_aws_source: bool = False) -> Any:  # noqa: FBT001, FBT002 - MiniStack's signature
        entries = list(data.get("Entries", ()))
        if sum(map(entry_bytes, entries)) > LARGEST_REQUEST_BYTES and not allow_aws_source:
            message = "Total size of the entries in the request is over the limit."
            return eventbridge.error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)
        errors = [None if allow_aws_source else entry_error(entry) for entry in entries]
        if not any(errors) or len(entries) > 10:  # noqa: PLR2004 - the limit that MiniStack itself checks
            return original(data, allow_aws_source)
        accepted = [entry for entry, error in zip(entries, errors, strict=True) if error is None]
        answer = json.loads(original({**data, "Entries": accepted}, allow_aws_source)[2])
        results = iter(answer["Entries"])
        merged = [
            next(results) if error is None else {"ErrorCode": error[0], "ErrorMessage": error[1]} for error in errors
        ]
        failed = answer["FailedEntryCount"] + len(entries) - len(accepted)
        return eventbridge.json_response({"FailedEntryCount": failed, "Entries": merged})

    return put_events


def _checking_targets(original: Operation, eventbridge: Any) -> Operation:
    def put_targets(data: Request) -> Any:
        key = eventbridge._rule_key(data.get("Rule"), data.get("EventBusName", "default"))
        existing = {target["Id"] for target in eventbridge._targets.get(key, ())}
        error = target_error(list(data.get("Targets", ())), existing)
        return eventbridge.error_response_json(*error, HTTPStatus.BAD_REQUEST) if error else original(data)

    return put_targets


def _keeping_targets(original: Operation, eventbridge: Any) -> Operation:
    def delete_rule(data: Request) -> Any:
        key = eventbridge._rule_key(data.get("Name"), data.get("EventBusName", "default"))
        if not eventbridge._targets.get(key):
            return original(data)
        message = "Rule can't be deleted since it has targets."
        return eventbridge.error_response_json("ValidationException", message, HTTPStatus.BAD_REQUEST)

    return delete_rule


def _naming_the_bus(original: Operation, eventbridge: Any) -> Operation:
    def describe_rule(data: Request) -> Any:
        name, bus = data.get("Name"), data.get("EventBusName", "default")
        if eventbridge._rule_key(name, bus) in eventbridge._rules:
            return original(data)
        message = f"Rule {name} does not exist on EventBus {bus}."
        return eventbridge.error_response_json("ResourceNotFoundException", message, HTTPStatus.BAD_REQUEST)

    return describe_rule
