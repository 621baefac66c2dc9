"""What the probes look through. Adapters are in `orchestrator.aws`, fakes in the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.domain.observation import AlarmState, Answer, Certificate, LogPage, Query, Request
from orchestrator.domain.verdict import Window


class ReadsMetrics(Protocol):
    """CloudWatch metrics. Raises Throttled or Unreachable."""

    def read(self, queries: Sequence[Query], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        """The queries' values by id and period start; a period without data is absent."""


class ReadsLogs(Protocol):
    """CloudWatch Logs. Raises Throttled or Unreachable."""

    def errors(self, group: str, window: Window) -> LogPage:
        """The lines of a log group that speak of an error; a group that does not exist yet has none."""


class ReadsAlarms(Protocol):
    """CloudWatch alarms. Raises Throttled or Unreachable."""

    def states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Where the alarms stand, by ARN; those that do not exist are absent."""


class Invokes(Protocol):
    """Functions, called directly. Raises Throttled or Unreachable."""

    def invoke(self, function_name: str, qualifier: str, request: Request) -> Answer:
        """Send a version or an alias a request in the form in which API Gateway would."""


class Web(Protocol):
    """The API as clients reach it. Raises Unreachable."""

    def send(self, base_url: str, request: Request) -> Answer:
        """Send a request; redirects are not followed."""

    def certificate(self, url: str) -> Certificate:
        """The certificate of an https address, verified."""


class MakesMacs(Protocol):
    """Keys that the orchestrator may use. Raises Throttled or Unreachable."""

    def mac(self, key_id: str, message: bytes) -> bytes:
        """HMAC-SHA-256 of a message under a key that nobody can read."""


@dataclass(frozen=True)
class Instruments:
    """Everything that the probes look through."""

    metrics: ReadsMetrics
    logs: ReadsLogs
    alarms: ReadsAlarms
    functions: Invokes
    web: Web
    macs: MakesMacs
