"""Consumers and alarms of a source: what the restored table lacks is named, and decides nothing."""

from __future__ import annotations

import pytest

from orchestrator.domain.recovery.attachments import (
    Attachments,
    attachment_check_results,
    to_be_moved,
    unread_attachments,
)
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.verdict import Outcome

SOURCE = Attachments(
    kinesis_streams=("arn:kinesis:2", "arn:kinesis:1"),
    mappings={"arn:function": "uuid-1", "arn:other": "uuid-2"},
    alarms={"AWS/DynamoDB ReadThrottleEvents": ("by hand", "ib-oauth-table-throttled-tokens-prod")},
)
PREFIX = "attached.tokens"


def compare(source=SOURCE, restored=Attachments()):  # noqa: B008 - frozen
    results = attachment_check_results(Role.TOKENS, "prod", source, restored)
    return {result.check.removeprefix(f"{PREFIX}."): result for result in results}


def test_a_table_on_which_nothing_depends_and_one_that_has_it_all_pass():
    for source in (Attachments(), SOURCE):
        found = compare(source, source)
        assert found.keys() == {"kinesis_destinations", "event_source_mappings", "alarms"}
        assert {result.verdict.outcome for result in found.values()} == {Outcome.PASS}
        assert all(result.decides and result.figures["not_covered"] == [] for result in found.values())


@pytest.mark.parametrize(
    ("kind", "not_covered", "remedy"),
    [
        ("kinesis_destinations", ["arn:kinesis:1", "arn:kinesis:2"], "enable it as a streaming destination"),
        (
            "event_source_mappings",
            ["arn:function (mapping uuid-1)", "arn:other (mapping uuid-2)"],
            "create an event source mapping",
        ),
        ("alarms", ["by hand"], "create such an alarm on the restored table"),
    ],
)
def test_what_the_restored_table_lacks_is_named_with_what_to_do_and_does_not_decide(kind, not_covered, remedy):
    result = compare()[kind]
    assert (result.verdict.outcome, result.decides) == (Outcome.FAIL, False)
    assert result.figures["not_covered"] == not_covered
    assert remedy in result.verdict.reason
    assert all(name in result.verdict.reason for name in not_covered)


def test_alarms_of_the_stacks_follow_the_settings():
    result = compare()["alarms"]
    assert result.figures["moved_by_cdk_deploy"] == ["ib-oauth-table-throttled-tokens-prod"]
    assert "ib-oauth-table-throttled-tokens-prod" not in result.verdict.reason
    alone = Attachments(alarms={"m": ("ib-oauth-table-throttled-tokens-prod",)})
    assert compare(alone)["alarms"].verdict.outcome is Outcome.PASS


def test_the_destinations_of_a_source_that_is_gone_are_unknown():
    gone = compare(Attachments(kinesis_streams=None))
    assert (gone["kinesis_destinations"].verdict.outcome, gone["kinesis_destinations"].decides) == (
        Outcome.INCONCLUSIVE,
        False,
    )
    absent = compare(SOURCE, Attachments(kinesis_streams=None))["kinesis_destinations"]
    assert absent.verdict.outcome is Outcome.FAIL


def test_what_could_not_be_read_is_an_error_that_does_not_decide():
    result = unread_attachments(Role.TOKENS, "AccessDenied")
    assert (result.check, result.verdict.outcome, result.decides) == (PREFIX, Outcome.ERROR, False)
    assert "AccessDenied" in result.verdict.reason


def test_what_is_to_be_moved_is_said_in_one_sentence_each():
    said = to_be_moved([*compare().values(), unread_attachments(Role.STATE, "AccessDenied")])
    assert [one.partition(":")[0] for one in said] == [
        f"{PREFIX}.kinesis_destinations", f"{PREFIX}.event_source_mappings", f"{PREFIX}.alarms", "attached.state",
    ]  # fmt: skip
    assert to_be_moved(compare(SOURCE, SOURCE).values()) == []
