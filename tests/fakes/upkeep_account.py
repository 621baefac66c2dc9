"""An account with an environment `prod` in which something of every kind is due, as AWS's operations report it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from orchestrator import environments
from orchestrator.aws.ledger.findings import FindingStore
from orchestrator.cli.context import Context
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from orchestrator.environments.api import DomainSettings
from tests.fakes.evidence import EvidenceInMemory, recorder
from tests.samples import NOW

DAY = timedelta(days=1)
DOMAIN = "api.oauth.example.com"
ACCOUNT = "123456789012"
ROLE = "ib-oauth-token-prod"


class Answers:
    """A client whose operations answer what they are created with: a response, or a function of the parameters."""

    def __init__(self, **responses: Any) -> None:
        self.responses = responses

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in self.responses:
            raise AttributeError(operation)
        return lambda **params: self._answer(operation, params)

    def _answer(self, operation: str, params: Mapping[str, Any]) -> Any:
        response = self.responses[operation]
        if isinstance(response, Exception):
            raise response
        return response(params) if callable(response) else response

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **params: [self._answer(operation, params)])


def _metric_data(peaks: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    def answer(params: Mapping[str, Any]) -> Any:
        results = []
        for query in params["MetricDataQueries"]:
            stat = query["MetricStat"]
            value = peaks.get(f"{stat['Metric']['MetricName']} {stat['Stat']}")
            if callable(value):
                value = value(params["StartTime"])
            known = [] if value is None else [value]
            times = [params["StartTime"]] * len(known)
            results.append({"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": known})
        return {"MetricDataResults": results}

    return answer


def _alarm(name: str, at: datetime) -> dict[str, Any]:
    return {"AlarmName": name, "Timestamp": at, "HistoryData": json.dumps({"newState": {"stateValue": "ALARM"}})}


@dataclass
class SeededAccount:
    """The account. `answers`: by service, to change what an operation answers."""

    at: datetime = NOW
    answers: dict[str, Answers] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        prod = environments.load("prod")
        api = replace(prod.api, domain=DomainSettings(DOMAIN, None, None, None))
        self.tables = [prod.service.state_table, prod.service.tokens_table, "ib-oauth-revocations-prod"]
        self.tables += ["ib-oauth-ledger-prod"]
        self.context = Context(replace(prod, api=api), lambda service: self.answers[service])
        evidence = EvidenceInMemory("prod")
        vars(self.context)["account"] = ACCOUNT
        vars(self.context)["cloud"] = SimpleNamespace(
            findings=FindingStore(evidence.ledger, "ledger"),
            artifacts=evidence.artifacts,
            evidence=evidence.chain,
            report_recorder=recorder(lambda: evidence.chain, "prod", lambda: self.at),
            ledger=SimpleNamespace(record_event=self.events.append),
            drills=SimpleNamespace(find_newest=lambda _wanted: None),
            key_ring=SimpleNamespace(read_ring=self._ring),
            point_in_time_recovery=SimpleNamespace(is_enabled=lambda _table: True),
            settings={"EVIDENCE_BUCKET": f"ib-oauth-evidence-prod-{ACCOUNT}"},
            now=lambda: self.at,
            sleep=lambda _seconds: None,
        )
        self._seed()

    def _ring(self) -> SigningKeyRing:
        since = NOW - 30 * DAY
        return SigningKeyRing(1, since, (SigningKey("arn:key", "kid", KeyPhase.SIGNING, since),))

    def _seed(self) -> None:
        functions = [
            {"FunctionName": f"ib-oauth-{name}-prod", "Runtime": "python3.13"} for name in environments.FUNCTIONS
        ]
        functions += [{"FunctionName": "ib-oauth-image-prod"}, {"FunctionName": "other", "Runtime": "cobol85"}]
        role = {"RoleName": ROLE, "Arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "CreateDate": NOW - 300 * DAY}
        services = [{"ServiceNamespace": "kms", "LastAuthenticated": NOW}, {"ServiceNamespace": "s3"}]
        points = [
            {"ResourceArn": f"arn:aws:dynamodb:::table/{table}", "CreationDate": NOW - DAY, "Status": "COMPLETED"}
            for table in self.tables
        ]
        alarms = [{"AlarmName": "ib-oauth-noisy-prod", "StateValue": "OK", "ActionsEnabled": True}]
        queue = "https://sqs.us-west-1.amazonaws.com/123456789012/ib-oauth-dead-letters-prod"
        fields = {"invocations": "90000", "most_bytes": "90000000", "billed": "30", "p99": "200"}
        self.answers = {
            "sts": Answers(get_caller_identity={"Arn": "arn:aws:iam::123456789012:user/ann", "Account": ACCOUNT}),
            "lambda": Answers(
                list_functions={"Functions": functions},
                get_account_settings={
                    "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
                },
                get_function_concurrency={},
            ),
            "iam": Answers(
                list_roles={"Roles": [role, {"RoleName": "other"}]},
                generate_service_last_accessed_details={"JobId": "job"},
                get_service_last_accessed_details={"JobStatus": "COMPLETED", "ServicesLastAccessed": services},
            ),
            "backup": Answers(list_recovery_points_by_backup_vault={"RecoveryPoints": points}),
            "sqs": Answers(
                list_queues={"QueueUrls": [queue]},
                get_queue_attributes={"Attributes": {"ApproximateNumberOfMessages": "4"}},
            ),
            "cloudwatch": Answers(
                describe_alarms={"MetricAlarms": alarms},
                describe_alarm_history={
                    "AlarmHistoryItems": [
                        *(_alarm("ib-oauth-noisy-prod", NOW - number * timedelta(hours=2)) for number in range(12)),
                        _alarm("another-system", NOW),
                    ]
                },
                get_metric_data=_metric_data(
                    {
                        "ConcurrentExecutions Maximum": 20.0,
                        "ConsumedReadCapacityUnits Sum": 600.0,
                        "ConsumedWriteCapacityUnits Sum": 60.0,
                        "Requests Sum": 900.0,
                        "Latency SampleCount": 5000.0,
                        "Latency p50": 20.0,
                        "Latency p95": 60.0,
                        # Of the newer week's first day, the percentile is half as high again.
                        "Latency p99": lambda start: 150.0 if start > NOW - 8 * DAY else 100.0,
                    }
                ),
            ),
            "acm": Answers(
                list_certificates={
                    "CertificateSummaryList": [
                        {"CertificateArn": "arn:cert", "DomainName": DOMAIN, "NotAfter": NOW + 9 * DAY}
                    ]
                }
            ),
            "ce": Answers(
                get_cost_and_usage={
                    "ResultsByTime": [
                        {
                            "TimePeriod": {"Start": (NOW - number * DAY).date().isoformat()},
                            "Total": {"UnblendedCost": {"Amount": "1" if number > 7 else "2"}},
                        }
                        for number in range(1, 23)
                    ]
                }
            ),
            "logs": Answers(
                describe_log_groups=lambda params: {
                    "logGroups": [
                        {"logGroupName": f"{params['logGroupNamePrefix']}token-prod", "storedBytes": 5_000_000_000}
                    ]
                },
                start_query={"queryId": "q"},
                get_query_results={
                    "status": "Complete",
                    "results": [[{"field": name, "value": value} for name, value in fields.items()]],
                },
            ),
        }
