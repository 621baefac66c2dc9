"""The running tests of a deployment: what is carried from look to look, and how."""

from __future__ import annotations

import json
from math import log

import pytest

from orchestrator.domain.sequential import Limit, Margin, Tally
from orchestrator.domain.watch import Measure, Watch, Watches
from tests.samples import NOW, seconds

LIMIT = Limit(0.01)
NOTHING = Tally()


def measure(name="token/server_errors", canary=NOTHING, stable=NOTHING, null=LIMIT):
    return Measure(name, f"{name} says", canary, stable, null)


def test_totals_that_are_seen_twice_are_counted_once():
    once = Watches().look(NOW, (measure(canary=Tally(50, 2)),))
    twice = once.look(NOW, (measure(canary=Tally(50, 2)),))
    assert twice.log_evidence == once.log_evidence


def test_what_arrives_late_is_counted_when_it_arrives():
    at_once = Watches().look(NOW, (measure(canary=Tally(50, 50)),))
    late = Watches().look(NOW, (measure(),)).look(NOW, (measure(canary=Tally(50, 50)),))
    assert late.watches["token/server_errors"].canary == at_once.watches["token/server_errors"].canary == Tally(50, 50)
    assert late.proves(0.01)


def test_totals_that_shrink_are_not_counted_again_when_they_grow_back():
    watch = Watch().look(measure(canary=Tally(50, 5)))
    assert watch.look(measure(canary=Tally(40, 4))).look(measure(canary=Tally(50, 5))) == watch.look(
        measure(canary=Tally(40, 4))
    )


def test_a_new_window_starts_at_nothing_and_keeps_the_evidence():
    first = Watches().look(NOW, (measure(canary=Tally(50, 5)),))
    second = first.look(NOW + seconds(60), (measure(canary=Tally(10, 0)),))
    watch = second.watches["token/server_errors"]
    assert watch.canary == Tally(10, 0)
    assert watch.stream.looks == 2


def test_where_there_is_nothing_to_hold_it_against_nothing_is_bet():
    looked = Watches().look(NOW, (measure(canary=Tally(50, 50), null=None),))
    assert looked.watches["token/server_errors"] == Watch()
    assert not looked.proves(0.5)


def test_the_worst_measure_is_the_one_with_the_most_evidence():
    bad, good = measure("token/deaths", Tally(50, 25)), measure("token/server_errors", Tally(50, 0))
    looked = Watches().look(NOW, (good, bad))
    assert looked.worst((good, bad)) == bad
    assert looked.proves(0.001)
    assert looked.log_evidence >= -log(0.001)


def test_the_ledger_s_form_is_read_back_as_it_was():
    looked = Watches().look(NOW, (measure(canary=Tally(50, 5), stable=Tally(500, 3), null=Margin(0.005)),))
    assert Watches.from_json(json.loads(json.dumps(looked.to_json()))) == looked


@pytest.mark.parametrize("nothing", [None, {}])
def test_before_the_first_look_there_is_nothing_kept(nothing):
    assert Watches.from_json(nothing) == Watches()


@pytest.mark.parametrize("other", [{"since": "x"}, {"since": "x", "watches": {"a": {}}}])
def test_what_is_something_else_is_refused_and_not_guessed(other):
    with pytest.raises(KeyError):
        Watches.from_json(other)
