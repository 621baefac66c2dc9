"""What depends on tables, as AWS lists it: page after page, with what is disabled and what belongs to others."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.dynamodb.attachments import TableAttachments
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.attachments import Attachments
from tests.fakes.errors import client_error
from tests.fakes.pages import Pages
from tests.fakes.restorable_tables import arn_of

TABLE, OTHER = ("orders", arn_of("orders")), ("orders2", arn_of("orders2"))


class Account:
    """DynamoDB, Lambda and CloudWatch of one account. Lists come one entry a page."""

    def __init__(self):
        self.destinations, self.mappings, self.alarms = {"orders": [], "orders2": []}, [], []
        self.calls = []

    def describe_kinesis_streaming_destination(self, *, TableName):  # noqa: N803 - botocore's
        if TableName not in self.destinations:
            raise client_error("ResourceNotFoundException")
        listed = [{"StreamArn": arn, "DestinationStatus": status} for arn, status in self.destinations[TableName]]
        return {"TableName": TableName, "KinesisDataStreamDestinations": listed}

    def list_event_source_mappings(self, *, Marker="0"):  # noqa: N803
        return self._page("EventSourceMappings", "NextMarker", self.mappings, Marker)

    def describe_alarms(self, *, AlarmTypes, NextToken="0"):  # noqa: N803
        assert AlarmTypes == ["MetricAlarm"]
        return self._page("MetricAlarms", "NextToken", self.alarms, NextToken)

    def get_paginator(self, operation):
        return Pages(getattr(self, operation))

    def _page(self, field, token, entries, begin):
        self.calls.append(field)
        first = int(begin)
        return {field: entries[first : first + 1], **({token: str(first + 1)} if first + 1 < len(entries) else {})}


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def attachments(account):
    return TableAttachments(account, account, account)


def mapping(uuid, source, function):
    arn = {"EventSourceArn": source} if source else {}
    return {"UUID": uuid, "FunctionArn": function, **arn}


def metric(table, name="ReadThrottleEvents", **dimensions):
    listed = [{"Name": key, "Value": value} for key, value in {"TableName": table, **dimensions}.items() if value]
    return {"Namespace": "AWS/DynamoDB", "MetricName": name, "Dimensions": listed}


def test_a_table_on_which_nothing_depends_has_none(attachments):
    assert attachments.read_attachments([TABLE]) == [Attachments()]


def test_data_streams_that_are_on_are_destinations(account, attachments):
    statuses = ("ACTIVE", "ENABLING", "UPDATING", "DISABLING", "DISABLED", "ENABLE_FAILED")
    account.destinations["orders"] = [(f"arn:{status}", status) for status in statuses]
    (found,) = attachments.read_attachments([TABLE])
    assert found.kinesis_streams == ("arn:ACTIVE", "arn:ENABLING", "arn:UPDATING")


def test_the_destinations_of_a_table_that_is_gone_are_unknown_and_its_mappings_and_alarms_are_not(account, attachments):
    account.destinations.clear()
    account.mappings = [mapping("1", f"{TABLE[1]}/stream/2026", "arn:f")]
    account.alarms = [{"AlarmName": "a", **metric("orders")}]
    (found,) = attachments.read_attachments([TABLE])
    assert (found.kinesis_streams, found.mappings) == (None, {"arn:f": "1"})
    assert found.alarms == {"AWS/DynamoDB ReadThrottleEvents": ("a",)}


def test_mappings_of_any_stream_of_the_table_are_found_on_every_page(account, attachments):
    account.mappings = [
        mapping("1", f"{TABLE[1]}/stream/2026", "arn:f"),
        mapping("2", f"{OTHER[1]}/stream/2026", "arn:g"),
        mapping("3", "", "arn:kafka"),
        mapping("4", f"{TABLE[1]}/stream/2025", "arn:h"),
    ]
    first, second = attachments.read_attachments([TABLE, OTHER])
    assert (first.mappings, second.mappings) == ({"arn:f": "1", "arn:h": "4"}, {"arn:g": "2"})
    assert account.calls.count("EventSourceMappings") == 4, "for all tables together"


def test_alarms_on_the_table_are_found_by_its_dimension_also_in_expressions(account, attachments):
    account.alarms = [
        {"AlarmName": "b", **metric("orders", "SystemErrors", Operation="GetItem")},
        {"AlarmName": "a", **metric("orders", "SystemErrors", Operation="GetItem")},
        {"AlarmName": "of another table", **metric("orders2")},
        {"AlarmName": "of none", **metric("", FunctionName="orders")},
        {
            "AlarmName": "of an expression",
            "Metrics": [
                {"Id": "e", "Expression": "m1 + m2"},
                {"Id": "m1", "MetricStat": {"Metric": metric("orders"), "Stat": "Sum"}},
                {"Id": "m2", "MetricStat": {"Metric": metric("orders"), "Stat": "Sum"}},
            ],
        },
        {"AlarmName": "TargetTracking-table/orders-AlarmHigh-1", **metric("orders", "ConsumedReadCapacityUnits")},
    ]
    (found,) = attachments.read_attachments([TABLE])
    assert found.alarms == {
        "AWS/DynamoDB SystemErrors Operation=GetItem": ("a", "b"),
        "AWS/DynamoDB ReadThrottleEvents": ("of an expression",),
    }


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", ClientError), ("ThrottlingException", Throttled)]
)
@pytest.mark.parametrize(
    "operation", ["describe_kinesis_streaming_destination", "list_event_source_mappings", "describe_alarms"]
)
def test_what_may_not_be_read_is_an_error_and_not_nothing(account, attachments, monkeypatch, operation, code, error):
    def refuse(**_):
        raise client_error(code)

    monkeypatch.setattr(account, operation, refuse)
    with pytest.raises(error):
        attachments.read_attachments([TABLE])
