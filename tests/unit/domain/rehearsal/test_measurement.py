"""Recovery time and data loss are measured, or missing; they are never guessed."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.rehearsal.measurement import (
    FLOWS_FOR_A_STATE,
    AcknowledgedWrite,
    Flow,
    KeptLogin,
    count_logins,
    data_loss,
    recovery_time,
    works,
)

FAULT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return FAULT + timedelta(seconds=seconds)


def flows(pattern: str, first: float = -FLOWS_FOR_A_STATE) -> list[Flow]:
    """Flows a second apart: a dot succeeded, anything else failed."""
    return [Flow(at(first + number), "" if one == "." else "login") for number, one in enumerate(pattern)]


BEFORE = "." * FLOWS_FOR_A_STATE


def test_a_service_that_never_failed_recovered_in_no_time():
    assert recovery_time(flows(BEFORE + BEFORE), FAULT) == timedelta()


def test_the_recovery_ends_with_the_first_flow_after_which_none_failed():
    assert recovery_time(flows(f"{BEFORE}.x..x{BEFORE}"), FAULT) == timedelta(seconds=5)


@pytest.mark.parametrize(
    "pattern",
    [
        BEFORE[1:] + BEFORE,
        f"x{BEFORE[1:]}{BEFORE}",
        f"{BEFORE}x{BEFORE[1:]}",
        BEFORE,
    ],
    ids=["too few flows before", "a failure just before", "too few flows after", "no flow after"],
)
def test_without_evidence_there_is_no_recovery_time(pattern):
    first = -FLOWS_FOR_A_STATE + (1 if pattern == BEFORE[1:] + BEFORE else 0)
    assert recovery_time(flows(pattern, first), FAULT) is None


def test_a_service_works_once_enough_flows_in_a_row_succeeded():
    assert works(flows(BEFORE), at(-60))
    assert works(flows(f"x{BEFORE}"), at(-60))
    assert not works(flows(BEFORE[1:]), at(-60))
    assert not works(flows(BEFORE), at(-2))
    assert not works(flows(f"{BEFORE}x"), at(-60))


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ("....", 0),
        (".x..", 1),
        ("..xx", 2),
        (".x.x", 3),
        ("xx..", 1),
    ],
    ids=["none", "one", "the newest", "with one in between", "the oldest"],
)
def test_the_loss_lasts_from_the_newest_write_before_it_to_the_newest_lost_one(found, seconds):
    writes = [AcknowledgedWrite(at(number - 2), one == ".") for number, one in enumerate(found)]
    assert data_loss(reversed(writes), FAULT) == timedelta(seconds=seconds)


def test_without_a_write_before_the_fault_there_is_no_data_loss_to_report():
    assert data_loss([], FAULT) is None
    assert data_loss([AcknowledgedWrite(at(1), found=True)], FAULT) is None


def test_logins_are_counted_and_without_any_nothing_was_measured():
    assert count_logins([KeptLogin(at(-2), alive=True), KeptLogin(at(-1), alive=False)]) == (2, 1)
    assert count_logins([]) == (None, None)
