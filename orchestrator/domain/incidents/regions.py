"""The loss of a region as a signal of incidents: a failover began, or the settings say that the environment has moved.

A lost region has one incident, whatever reports it: the failover, the settings of the environment in its new region, or a
person. It ends when a failover reports that the service runs in the other region. After a failover by hand a person
resolves it: settings do not know whether the service runs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.domain.incidents.incident import MAX_TITLE
from orchestrator.domain.incidents.policy import REGION_LOST
from orchestrator.domain.incidents.register import Change, Register
from orchestrator.domain.incidents.signals import Signal
from orchestrator.domain.texts import MAX_REASON, shortened

STANDBY = "standby"
"""In place of a lost region: the environment waits in its standby region. Its settings do not say whether the home region
is lost; a failover does."""


def region_lost(lost: str, at: datetime, reason: str) -> Signal:
    """Return the signal that a region is lost: a failover from it began, or its probes fail.

    Args:
        lost: the region, the home region or the standby.
        at: when it was noticed. A second report of the same loss has the same time, or changes nothing else.
        reason: what is done about it, such as the failover and its target.
    """
    title = shortened(f"region {lost} is lost", MAX_TITLE)
    return Signal(f"region:{lost}", REGION_LOST, REGION_LOST, at, title, shortened(reason, MAX_REASON))


def region_replaced(lost: str, at: datetime, reason: str) -> Signal:
    """Return the signal that the loss of a region has ended: the service runs in another one, or it is back."""
    title = shortened(f"region {lost} is no longer needed", MAX_TITLE)
    return Signal(f"region:{lost}", REGION_LOST, "", at, title, shortened(reason, MAX_REASON))


def signal_of_settings(register: Register, lost: str, region: str, now: datetime) -> Signal | None:
    """Return what the settings say that the register does not know; None if it knows it.

    Args:
        register: of the environment's incidents.
        lost: the setting ``lost_region``; empty if no region is lost; `STANDBY` in a standby region.
        region: of the environment now.
        now: the current time.
    """
    if lost == STANDBY:
        return None
    if lost:
        known = f"region:{lost}" in register.subjects
        return None if known else region_lost(lost, now, f"the environment has moved from it to {region}")
    active = register.active_subjects(REGION_LOST)
    if not active:
        return None
    name = active[0].removeprefix("region:")
    return region_replaced(name, now, f"the settings name no lost region, and the environment is in {region}")


def forget_losses(register: Register, lost: str) -> Change | None:
    """Forget losses that have ended, once the settings name no lost region: the next loss opens an incident again.

    Args:
        register: of the environment's incidents.
        lost: as for `signal_of_settings`.
    """
    kept = {
        name: subject for name, subject in register.subjects.items() if subject.cause != REGION_LOST or subject.active
    }
    return None if lost or kept == register.subjects else Change(replace(register, subjects=kept))
