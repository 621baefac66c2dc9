"""Sizes and numbers are those of stock MiniStack, and computed once."""

import importlib
import inspect
import types

import pytest

from orchestrator.local.emulator.dynamodb import item_sizes

ITEMS = [
    {},
    {"pk": {"S": "a"}},
    {"ключ": {"S": "значение"}, "n": {"N": "-12.5e3"}},
    {"n": {"N": "0"}, "wrong": {"N": "no number"}, "number": {"N": 7}, "none": {"N": None}},
    {"list": {"L": [{"S": "x"}, {"N": "100"}]}, "map": {"M": {"k": {"BOOL": True}}}, "set": {"NS": ["1", "22"]}},
    {"two": {"S": "x", "N": "1"}, "text": "x", "binary": {"B": "eHh4"}, "empty": {}},
    {"true": {"S": True}},
]


@pytest.fixture(scope="module")
def dynamodb():
    return importlib.import_module("ministack.services.dynamodb")


def original(dynamodb, name):
    return inspect.unwrap(getattr(dynamodb, name))


@pytest.mark.parametrize("item", [*ITEMS, None, "no item", 3], ids=repr)
def test_an_item_has_the_size_that_it_has_in_stock_ministack(dynamodb, item):
    stock = original(dynamodb, "_item_size_bytes")
    assert item_sizes.measuring(dynamodb, stock)(item) == stock(item)


@pytest.mark.parametrize("name", ["_ddb_canonicalize_number", "_number_error", "_number_size_bytes"])
@pytest.mark.parametrize("value", ["1", "1.0", "-0", "1e400", "1_0", "", " 5", None, True, 1, 1.0, []], ids=repr)
def test_a_number_has_the_form_that_it_has_in_stock_ministack(dynamodb, name, value):
    stock = original(dynamodb, name)
    patched = item_sizes.remembering(stock)
    assert [patched(value), patched(value)] == [stock(value)] * 2


def test_a_text_is_computed_once_and_nothing_is_confused_with_a_text():
    calls = []

    def recorded(value):
        calls.append(value)
        return str(value)

    patched = item_sizes.remembering(recorded)
    assert [patched(value) for value in ("1", "1", 1, True, 1.0)] == ["1", "1", "1", "True", "1.0"]
    assert calls == ["1", 1, True, 1.0]


def test_an_item_of_plain_strings_and_numbers_needs_no_call_of_a_value_each():
    def of_value(value):
        raise AssertionError(value)

    module = types.SimpleNamespace(_number_size_bytes=lambda _: 2, _attribute_value_size=of_value)
    assert item_sizes.measuring(module, of_value)({"pk": {"S": "abc"}, "n": {"N": "17"}}) == 2 + 3 + 1 + 2
