from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.verdict import WORSE, Evidence, Outcome, Verdict, Window, in_words, verdict_of, worst
from tests.samples import NOW, seconds

verdicts = st.lists(st.builds(Verdict, st.sampled_from(Outcome), st.text(max_size=3)), max_size=6)


def test_nothing_looked_at_is_never_a_pass():
    assert worst([]).outcome is Outcome.INCONCLUSIVE


def test_of_equally_bad_verdicts_the_first_is_reported():
    assert worst([Verdict.passed("a"), Verdict.error("b"), Verdict.error("c")]) == Verdict.error("b")


def test_knowing_that_it_fails_beats_not_having_been_able_to_look():
    assert (
        worst([Verdict.error("throttled"), Verdict.failed("5xx"), Verdict.inconclusive("few")]).outcome is Outcome.FAIL
    )


def test_every_outcome_has_its_rank():
    assert set(WORSE) == set(Outcome)


@given(verdicts)
def test_the_worst_is_one_of_them_and_a_pass_only_where_all_pass(sample):
    found = worst(sample)
    assert found in sample or not sample or found == Verdict.passed("; ".join(one.reason for one in sample))
    assert (found.outcome is Outcome.PASS) == (bool(sample) and all(one.outcome is Outcome.PASS for one in sample))


@given(verdicts, verdicts)
def test_one_more_verdict_never_makes_it_better(some, more):
    if some:
        assert WORSE.index(worst([*some, *more]).outcome) >= WORSE.index(worst(some).outcome)


def test_a_window_has_a_length_that_is_never_negative():
    assert Window(NOW, NOW + seconds(5)).length == seconds(5)
    assert Window(NOW, NOW - seconds(5)).length == timedelta(0)


def evidence(probe, verdict):
    return Evidence(probe, verdict, {}, Window(NOW, NOW), "the test", 1)


def test_a_pass_names_what_was_judged_and_what_was_not():
    judged = [evidence("health", Verdict.passed("a")), evidence("flows", Verdict.passed("b"))]
    assert verdict_of(judged).reason == "health and flows passed"
    assert verdict_of(judged, ("logs", "alarms")).reason == "health and flows passed; not judged: logs and alarms"
    assert verdict_of(judged[:1], ("logs",)).reason == "a; not judged: logs"


def test_what_is_no_pass_keeps_its_own_reason():
    judged = [evidence("health", Verdict.passed("a")), evidence("flows", Verdict.failed("b"))]
    assert verdict_of(judged, ("logs",)) == Verdict.failed("b")
    assert verdict_of([]).outcome is Outcome.INCONCLUSIVE


def test_names_are_listed_in_words():
    assert [in_words(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
