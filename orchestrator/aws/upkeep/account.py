"""Read an account's access advisor, alarm history, certificates and bill. Only reads; a denied call is `Denied`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.upkeep.expiry import CertificateReading
from orchestrator.domain.upkeep.resources import PermissionUse

KEY_TYPES: Final = (
    "RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1",
)  # fmt: skip
"""ListCertificates lists only two of them unless it is asked for all (API reference)."""
COST_TAG = "environment"
_ADVISOR_POLLS, _ADVISOR_POLL_SECONDS = 30, 1.0
_ALARM = "ALARM"


class AccountHistory:
    """What an account records by itself.

    Args:
        clients: returns the botocore client of a service, in the environment's region.
        sleep: waits, in seconds.
    """

    def __init__(self, clients: Callable[[str], Any], sleep: Callable[[float], None]) -> None:
        self._clients, self._sleep = clients, sleep

    def read_permission_uses(self, roles: Mapping[str, str]) -> Sequence[PermissionUse]:
        """Return when each role last used each service that it may use.

        Args:
            roles: name to ARN.

        Raises:
            Unreachable: IAM did not finish a report.
        """
        iam = self._clients("iam")
        jobs = {
            name: str(iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"])
            for name, arn in roles.items()
        }
        return [use for name, job in jobs.items() for use in self._uses(name, job)]

    def _uses(self, role: str, job: str) -> Iterator[PermissionUse]:
        iam = self._clients("iam")
        response = iam.get_service_last_accessed_details(JobId=job)
        for _ in range(_ADVISOR_POLLS):
            if response["JobStatus"] != "IN_PROGRESS":
                break
            self._sleep(_ADVISOR_POLL_SECONDS)
            response = iam.get_service_last_accessed_details(JobId=job)
        if response["JobStatus"] != "COMPLETED":
            raise Unreachable(f"IAM's report of {role} is {response['JobStatus']}")
        while True:
            for service in response["ServicesLastAccessed"]:
                actions = service.get("TrackedActionsLastAccessed", ())
                yield PermissionUse(
                    role,
                    str(service["ServiceNamespace"]),
                    service.get("LastAuthenticated"),
                    tuple(str(one["ActionName"]) for one in actions if "LastAccessedTime" not in one),
                )
            if not response.get("IsTruncated"):
                return
            response = iam.get_service_last_accessed_details(JobId=job, Marker=response["Marker"])

    def read_alarm_history(self, since: datetime, until: datetime) -> Mapping[str, Sequence[datetime]]:
        """Return when each alarm of the account and region went into ALARM; one that never did is absent."""
        pages = (
            self._clients("cloudwatch")
            .get_paginator("describe_alarm_history")
            .paginate(
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                HistoryItemType="StateUpdate",
                StartDate=since,
                EndDate=until,
            )
        )
        fired: dict[str, list[datetime]] = {}
        for page in pages:
            for item in page["AlarmHistoryItems"]:
                if _new_state(item) == _ALARM:
                    fired.setdefault(str(item["AlarmName"]), []).append(item["Timestamp"].astimezone(UTC))
        return fired

    def read_certificates(self, domain: str) -> Sequence[CertificateReading]:
        """Return the certificates of ACM for a domain."""
        pages = self._clients("acm").get_paginator("list_certificates").paginate(Includes={"keyTypes": list(KEY_TYPES)})
        return [
            CertificateReading(domain, str(one["CertificateArn"]), one.get("NotAfter"))
            for page in pages
            for one in page["CertificateSummaryList"]
            if domain in {one["DomainName"], *one.get("SubjectAlternativeNameSummaries", ())}
        ]

    def read_daily_cost(self, environment: str, since: date, until: date) -> Mapping[date, float]:
        """Return the cost of each day of an environment, in US dollars; `until` is not included.

        An account whose bill Cost Explorer does not have yet has no days. Cost Explorer charges each request, 0.01 US
        dollars (docs/guides/upkeep.md).
        """
        request: dict[str, Any] = {
            "TimePeriod": {"Start": since.isoformat(), "End": until.isoformat()},
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost"],
            "Filter": {"Tags": {"Key": COST_TAG, "Values": [environment]}},
        }
        found: dict[date, float] = {}
        client = self._clients("ce")
        while True:
            try:
                page = client.get_cost_and_usage(**request)
            except ClientError as error:
                if error_code(error) == "DataUnavailableException":
                    return {}
                raise
            for day in page["ResultsByTime"]:
                amount = float(day["Total"]["UnblendedCost"]["Amount"])
                found[date.fromisoformat(day["TimePeriod"]["Start"])] = amount
            if not page.get("NextPageToken"):
                return found
            request["NextPageToken"] = page["NextPageToken"]


def _new_state(item: Mapping[str, Any]) -> str:
    """Return the state that a history item reports. HistoryData is JSON (DescribeAlarmHistory)."""
    return str(json.loads(item["HistoryData"])["newState"]["stateValue"])


def tracking_start(now: datetime) -> datetime:
    """Return from when on the access advisor reports. Its tracking period is 400 days.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
    """
    return now - timedelta(days=400)
