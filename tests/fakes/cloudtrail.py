"""The event history of AWS CloudTrail."""

from __future__ import annotations

import json

from tests.samples import NOW


def call(resource="ib-oauth-token-prod", **changes):
    record = {"userIdentity": {"arn": "arn:aws:sts::1:assumed-role/ops/ann"}, "sourceIPAddress": "192.0.2.1", **changes}
    return {
        "EventId": "e-1",
        "EventName": "UpdateAlias",
        "EventSource": "lambda.amazonaws.com",
        "EventTime": NOW,
        "Username": "ann",
        "Resources": [{"ResourceName": resource}],
        "CloudTrailEvent": json.dumps(record),
    }


class Trail:
    """The event history of a region, in pages."""

    def __init__(self, *pages, error=None):
        self.pages, self.error, self.calls = pages, error, []

    def lookup_events(self, **params):
        self.calls.append(params)
        if self.error:
            raise self.error
        number = int(params.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number + 1 < len(self.pages) else {}
        return {"Events": list(self.pages[number]), **more}
