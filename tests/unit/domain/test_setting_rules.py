"""Each rule accepts what its schema accepts, has a remedy, and has a substitute of its type."""

import re
from math import inf, isfinite, nan

import pytest

from orchestrator.domain import setting_rules as rules
from tests.json_schema import draft7_validator

NO_NUMBERS = [True, None, "5", [5], {}, nan, inf, -inf]
CASES = [
    # rule, what it accepts, what it refuses
    (rules.Text(), ["a", " a "], ["", "  ", 1, None, True, ["a"]]),
    (rules.Text(matching=re.compile("[a-z]+")), ["abc"], ["A", "a1", "", 1]),
    (rules.Text(matching=re.compile("[a-z ]+")), ["a b"], [" ", "   ", "A"]),
    (rules.Choice(("a", "b")), ["a", "b"], ["c", "", 1, None]),
    (rules.Flag(), [True, False], [0, 1, "true", None]),
    (rules.Number(1, 2.5), [1, 2.5, 2], [*NO_NUMBERS, 0.9, 2.6]),
    (rules.Percent(), [0.1, 100], [*NO_NUMBERS, 0, 100.1]),
    (rules.WholeNumber(1, 10), [1, 10, 10.0], [*NO_NUMBERS, 0, 11, 1.5]),
    (rules.WholeNumberOf((7, 30)), [7, 30], [*NO_NUMBERS, 8]),
    (rules.WholeNumbers(1, 9), [[], [1, 2, 9]], [1, None, [0], [10], [2, 2], [True], ["1"], [1.5]]),
    (rules.Texts(), [[], ["a"]], ["a", None, [""], [1]]),
    (rules.Texts(at_least=1), [["a"]], [[], [" "]]),
    (rules.TextByName(), [{}, {"a": "b"}], [1, "a", {"a": ""}, {"a": 1}]),
]


@pytest.mark.parametrize(("rule", "valid", "invalid"), CASES, ids=lambda value: type(value).__name__)
def test_a_rule_accepts_what_is_valid_and_nothing_else(rule, valid, invalid):
    assert all(rule.accepts(value) for value in valid)
    assert not [value for value in invalid if rule.accepts(value)]
    assert rule.remedy.startswith("give ")


@pytest.mark.parametrize(("rule", "valid", "invalid"), CASES, ids=lambda value: type(value).__name__)
def test_its_schema_refuses_nothing_that_it_accepts_and_of_the_rest_what_json_can_state(rule, valid, invalid):
    validator = draft7_validator(rule.schema)
    assert all(validator.is_valid(value) for value in valid)
    accepted = [value for value in invalid if _is_json(value) and validator.is_valid(value)]
    # That numbers ascend cannot be stated; that they differ can.
    assert accepted == []


def _is_json(value) -> bool:
    return not isinstance(value, float) or isfinite(value)


@pytest.mark.parametrize(
    ("rule", "substitute"),
    [
        (rules.Anything(), None),
        (rules.Text(), ""),
        (rules.Choice(("a", "b")), "a"),
        (rules.Flag(), False),
        (rules.Number(1, 2), 1),
        (rules.Percent(), 100),
        (rules.WholeNumber(3, 9), 3),
        (rules.WholeNumberOf((7, 30)), 7),
        (rules.WholeNumbers(1, 2), ()),
        (rules.Texts(), ()),
        (rules.TextByName(), {}),
    ],
)
def test_reading_continues_with_a_value_of_the_type(rule, substitute):
    assert rule.substitute == substitute


def test_a_value_that_its_caller_judges_is_described_by_what_the_caller_accepts():
    stage, host = rules.Choice(("stage",)), rules.Text(matching=re.compile("https://.*"))
    assert rules.Anything().schema == {}
    assert rules.Anything((stage,)).schema == stage.schema
    assert rules.Anything((stage, host, stage)).schema == {"anyOf": [stage.schema, host.schema]}
    assert rules.Anything((stage,)).accepts(7)


def test_a_text_has_its_pattern_and_its_length_in_the_schema():
    assert rules.Text().schema == {"type": "string", "pattern": r"\S"}
    schema = rules.Text(matching=re.compile("a|b"), at_most=9).schema
    assert schema == {"type": "string", "pattern": "^(?:a|b)$", "maxLength": 9}


def test_the_entries_of_a_list_have_the_rule_of_its_caller():
    choice = rules.Choice(("a",))
    assert rules.Texts(described_by=choice).schema == {"type": "array", "items": choice.schema}
