import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.fault_injection import longest_lived, no_items_refusal, with_changed_byte
from orchestrator.domain.recovery.record import Fault
from orchestrator.domain.recovery.request import refuse_impossible_fault

KEY = {"pk": {"S": "family#1"}}


@pytest.mark.parametrize(
    ("attributes", "changed"),
    [
        ({"subject": {"S": "ann0"}, "epoch": {"N": "1"}}, {"subject": {"S": "ann1"}, "epoch": {"N": "1"}}),
        ({"subject": {"S": "ann"}}, {"subject": {"S": "an0"}}),
        ({"subject": {"S": ""}, "epoch": {"N": "7"}}, {"subject": {"S": ""}, "epoch": {"N": "8"}}),
    ],
)
def test_one_byte_is_another_and_the_key_stays(attributes, changed):
    assert with_changed_byte({**KEY, **attributes}, ["pk"]) == {**KEY, **changed}


def test_an_item_that_is_only_its_key_is_refused():
    with pytest.raises(Refused, match="only its key"):
        with_changed_byte({**KEY, "scopes": {"SS": ["a"]}}, ["pk"])


def test_where_there_are_no_items_there_is_nothing_to_break():
    assert "create traffic first" in str(no_items_refusal(Fault.MISSING_ROW))


def test_an_index_goes_only_where_there_is_one():
    refuse_impossible_fault(Fault.INDEX_GONE, ["by-day"])
    refuse_impossible_fault(Fault.TTL_OFF, [])
    with pytest.raises(Refused, match="no table of this service has an index"):
        refuse_impossible_fault(Fault.INDEX_GONE, [])


def item(pk, expires=None):
    return {"pk": {"S": pk}, **({"delete_at": expires} if expires else {})}


def test_the_fault_strikes_an_item_whose_loss_is_one():
    """A drill with an injected fault succeeded: the item had expired, and may be missing."""
    past, later, never = item("a", {"N": "1"}), item("b", {"N": "4000000000"}), item("c")
    assert longest_lived([past, later, never, item("d")]) == never
    assert longest_lived([past, later]) == later
    assert longest_lived([past, item("e", {"S": "no time"})])["pk"] == {"S": "e"}
