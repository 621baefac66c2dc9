import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Sabotage
from orchestrator.domain.recovery_plan import refuse_impossible_sabotage
from orchestrator.domain.sabotage import changed_byte, nothing_to_break

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
    assert changed_byte({**KEY, **attributes}, ["pk"]) == {**KEY, **changed}


def test_an_item_that_is_only_its_key_is_refused():
    with pytest.raises(Refused, match="nothing but its key"):
        changed_byte({**KEY, "scopes": {"SS": ["a"]}}, ["pk"])


def test_where_there_are_no_items_there_is_nothing_to_break():
    assert "let there be traffic first" in str(nothing_to_break(Sabotage.MISSING_ROW))


def test_an_index_goes_only_where_there_is_one():
    refuse_impossible_sabotage(Sabotage.INDEX_GONE, ["by-day"])
    refuse_impossible_sabotage(Sabotage.TTL_OFF, [])
    with pytest.raises(Refused, match="no table of this service has an index"):
        refuse_impossible_sabotage(Sabotage.INDEX_GONE, [])
