import inspect
from datetime import UTC, datetime

from orchestrator.domain import errors
from orchestrator.domain.errors import NotCopied, NotRecorded, OrchestratorError, Refused, Unreachable
from orchestrator.domain.untrusted_json import TOO_DEEP


def test_a_refusal_names_field_value_and_remedy():
    refused = Refused("strategy.steps[1].weight_percent", 10, "let weights rise")
    assert str(refused) == "strategy.steps[1].weight_percent: 10 is refused: let weights rise"
    assert (refused.field, refused.value, refused.remedy) == (
        "strategy.steps[1].weight_percent",
        10,
        "let weights rise",
    )


def test_a_request_that_was_not_answered_may_have_had_an_effect_unless_it_was_not_sent():
    assert (str(Unreachable("no route")), Unreachable("no route").sent) == ("no route", True)
    assert not Unreachable("no route", sent=False).sent


def test_what_was_done_and_not_recorded_is_said_with_its_time():
    at = datetime(2026, 11, 30, 3, tzinfo=UTC)
    error = NotRecorded("revoke by ann", "kid was revoked", at, Unreachable("no route"))
    assert str(error) == (
        "revoke by ann: kid was revoked: this is done, but the ledger did not record its event (Unreachable: no route),"
        " so the audit trail lacks it; note it in the incident or the ticket, with its time 2026-11-30T03:00:00+00:00"
    )
    assert error.at == at


def test_every_error_of_ours_stands_in_the_tree():
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__module__ == errors.__name__]
    ours = [kind.__name__ for kind in kinds if kind is not OrchestratorError]
    assert len(ours) >= 6
    assert all(issubclass(getattr(errors, name), OrchestratorError) and f"── {name}" in errors.__doc__ for name in ours)


def test_a_refusal_can_be_stored_whatever_was_refused():
    assert str(Refused("\ud800\n", "\ud800", "remove it")) == r"\ud800\n: '\ud800' is refused: remove it"


def test_a_value_that_is_nested_too_deeply_to_be_quoted_is_refused_all_the_same():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert str(Refused("strategy", value, "name one")) == f"strategy: {TOO_DEEP} is refused: name one"


def test_a_change_that_was_not_copied_is_done_and_has_its_remedy():
    error = NotCopied("clients disable app-a", "us-east-2", "prod", "Unreachable: no route")
    assert str(error) == (
        "clients disable app-a: this is done and in effect, but the ledger in us-east-2 does not have it (Unreachable: no"
        " route), so a failover would bring an earlier state back: `orchestrator clients reapply --reason … --env prod`"
        " copies it"
    )
