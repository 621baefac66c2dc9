"""Alarms that show a change that a rollback has rolled back, and nothing of the service as it is now.

An alarm stays in ALARM until its periods are good: for up to two minutes after its last bad period, or five with periods
of a minute (ADR 38). After a rollback its state is about the version that serves no client any more. What the service
does since is in the periods that began since, which can be read.

| alarm in ALARM                                            | counts                                      |
|-----------------------------------------------------------|---------------------------------------------|
| no rollback ended, or it did not verify the versions      | yes                                         |
| it fired before the rolled-back deployment shifted traffic | yes: that deployment did not cause it      |
| its periods could not be read                             | yes                                         |
| a period that began after the aliases were back is bad    | yes                                         |
| it fires for longer than periods from before can explain  | yes                                         |
| otherwise                                                 | no: all that it shows was before            |

The rollback's verification has called every function since the aliases were back. So a component without clients, whose
alarm has no new period, is not called well for want of data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.deployment.record import Deployment

LATEST = timedelta(minutes=2)
"""How long after its periods an alarm may still change: metrics are late, and an alarm is evaluated once a minute."""


@dataclass(frozen=True)
class AlarmPeriods:
    """The periods of an alarm since some time.

    Attributes:
        evaluated: how far back the alarm looks: all its periods together.
        breaching: when each period began whose value breaches the threshold.
    """

    evaluated: timedelta
    breaching: tuple[datetime, ...]


@dataclass(frozen=True)
class RolledBackChange:
    """A deployment that was rolled back to versions that passed their checks.

    Attributes:
        shifted_at: when it first shifted traffic.
        reverted_at: when every alias was back.
        alarms: ARNs of the alarms that it may have caused.
    """

    shifted_at: datetime
    reverted_at: datetime
    alarms: frozenset[str]

    def may_explain(self, arn: str, state: AlarmState) -> bool:
        """Return whether an alarm in ALARM may be about this change: it is the service's, and fired since the shift."""
        return arn in self.alarms and state.since >= self.shifted_at

    def explains(self, periods: AlarmPeriods, now: datetime) -> bool:
        """Return whether all that an alarm in ALARM shows was before the aliases were back.

        Args:
            periods: those that began since.
            now: the current time.
        """
        lasts = now - self.reverted_at <= periods.evaluated + LATEST
        return lasts and all(at < self.reverted_at for at in periods.breaching)


def rolled_back_change(newest: Deployment | None) -> RolledBackChange | None:
    """Return the change that the newest rollback has rolled back; None if there is none, or if what serves now is not known.

    Args:
        newest: the newest deployment that moved traffic; None if none did.
    """
    if newest is None or newest.under_way or newest.rollback is None or newest.first_shift_at is None:
        return None
    rollback = newest.rollback
    if rollback.reverted_at is None or rollback.verified_at is None or rollback.unhealthy:
        return None
    caused = frozenset(newest.service.alarms).difference(newest.preexisting_alarms)
    return RolledBackChange(newest.first_shift_at, rollback.reverted_at, caused)
