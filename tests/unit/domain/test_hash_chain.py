from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.hash_chain import GENESIS_HASH, entry_hash, first_broken_index

values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4))
bodies = st.dictionaries(st.sampled_from(["action", "reason", "step", "evidence"]), values, max_size=4)


def chained(decisions: list[dict[str, object]]) -> list[dict[str, object]]:
    previous, chain = GENESIS_HASH, []
    for body in decisions:
        hash_ = entry_hash(previous, body)
        chain.append({**body, "previous_hash": previous, "hash": hash_})
        previous = hash_
    return chain


def test_a_decision_is_hashed_without_its_own_hash():
    assert entry_hash(GENESIS_HASH, {"a": 1}) == entry_hash(GENESIS_HASH, {"a": 1, "hash": "x", "previous_hash": "y"})


def test_the_order_of_keys_does_not_matter_and_the_one_before_does():
    assert entry_hash(GENESIS_HASH, {"a": 1, "b": 2}) == entry_hash(GENESIS_HASH, {"b": 2, "a": 1})
    assert entry_hash(GENESIS_HASH, {"a": 1}) != entry_hash("1" * 64, {"a": 1})


def test_no_decision_is_a_chain():
    assert first_broken_index([]) is None


@given(st.lists(bodies, max_size=6))
def test_what_was_linked_holds(decisions):
    assert first_broken_index(chained(decisions)) is None


@given(st.lists(bodies, min_size=1, max_size=6), st.data())
def test_any_changed_value_is_found_where_it_was_changed(decisions, data):
    chain = chained(decisions)
    number = data.draw(st.integers(0, len(chain) - 1))
    key = data.draw(st.sampled_from([*chain[number], "added"]))
    changed = deepcopy(chain)
    changed[number][key] = data.draw(values.filter(lambda value: repr(value) != repr(chain[number].get(key, ...))))
    assert first_broken_index(changed) == number


@given(st.lists(bodies, min_size=2, max_size=6), st.data())
def test_a_decision_that_was_left_out_is_found(decisions, data):
    chain = chained(decisions)
    number = data.draw(st.integers(0, len(chain) - 2))
    assert first_broken_index(chain[:number] + chain[number + 1 :]) == number


@given(st.lists(bodies, min_size=2, max_size=6), st.data())
def test_two_decisions_that_changed_places_are_found(decisions, data):
    chain = chained(decisions)
    number = data.draw(st.integers(0, len(chain) - 2))
    chain[number], chain[number + 1] = chain[number + 1], chain[number]
    assert first_broken_index(chain) == number


@given(st.lists(bodies, min_size=1, max_size=6), bodies)
def test_a_decision_appended_without_the_chain_is_found(decisions, body):
    chain = chained(decisions)
    assert first_broken_index(
        [*chain, {**body, "hash": entry_hash(GENESIS_HASH, body), "previous_hash": GENESIS_HASH}]
    ) == len(chain)
