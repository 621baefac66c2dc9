"""Responses mean what those of stock MiniStack mean, and a page of a stream stays below a megabyte."""

import importlib
import inspect
import json

import pytest

from orchestrator.local.emulator.dynamodb import response_bodies


@pytest.fixture(scope="module")
def streams():
    return importlib.import_module("ministack.services.dynamodb_streams")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"Items": [{"pk": {"S": 'ключ "a"\n'}, "n": {"N": "1.0"}, "list": {"L": []}}], "Count": 1},
        {"Table": {"CreationDateTime": 1.5, "ItemCount": 0, "Deleted": False, "Key": None}},
        {1: "number", "large": 2**70},
    ],
    ids=repr,
)
@pytest.mark.parametrize("arguments", [(), (400,)])
def test_a_response_has_the_status_the_headers_and_the_content_of_stock_ministack(data, arguments):
    stock = importlib.import_module("ministack.core.responses").json_response
    status, headers, body = stock(data, *arguments)
    patched = response_bodies.serializing(stock)(data, *arguments)
    assert (patched[0], patched[1], json.loads(patched[2])) == (status, headers, json.loads(body))


def test_what_stock_ministack_cannot_respond_is_no_response_here_either():
    def stock(data):
        return json.dumps(data)

    with pytest.raises(TypeError):
        response_bodies.serializing(stock)({"set": object()})


@pytest.mark.parametrize("sizes", [(), (10,), (2_000_000,), (600_000, 300_000, 200_000), (600_000, 400_000, 100_000)])
def test_a_page_ends_where_that_of_stock_ministack_ends(streams, sizes):
    page = [{"dynamodb": {"NewImage": {"pk": {"S": "x" * size}}}} for size in sizes]
    stock = inspect.unwrap(streams._cap_page_bytes)
    assert response_bodies.capped(page, streams._GET_RECORDS_MAX_BYTES) == stock(page)
