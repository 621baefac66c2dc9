"""Items of a layout that this release does not read: nothing is guessed, nothing is decided, and the caller may try again."""

from __future__ import annotations

import pytest

from service.storage import item_schema
from service.storage.item_schema import ItemSchemaUnknown, check_readable


@pytest.fixture
def relaid(service, aws):
    """Give the items of a kind another layout. Returns a function that says which items there are now."""

    def relay(kind, layout="2"):
        tables = service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]
        for table in tables:
            for item in aws.items(table):
                if item["pk"]["S"].startswith(kind):
                    aws.dynamodb.put_item(TableName=table, Item={**item, "schema": {"N": layout}})
        return lambda: [aws.items(table) for table in tables]

    return relay


def test_a_code_of_an_unknown_layout_is_neither_redeemed_nor_refused(service, relaid):
    code = service.code()
    stored = relaid("code#")
    before = stored()
    answer = service.redeem(code)
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert stored() == before
    relaid("code#", "1")
    assert service.redeem(code).status == 200


def test_a_family_of_an_unknown_layout_is_neither_rotated_nor_revoked(service, relaid):
    tokens = service.redeem(service.code()).json
    stored = relaid("family#")
    before = stored()
    assert service.refresh(tokens["refresh_token"]).status == 503
    assert service.userinfo(tokens["access_token"]).status == 503
    assert stored() == before
    relaid("family#", "1")
    assert service.refresh(tokens["refresh_token"]).status == 200


def test_a_login_of_an_unknown_layout_is_reported_as_unavailable(service, relaid):
    transaction = service.transaction()
    relaid("login#")
    assert service.poll(transaction).status == 503


def test_an_epoch_of_an_unknown_layout_ends_nothing_and_issues_nothing(service, relaid):
    code = service.code()
    service.bump_epoch(0)
    relaid("epoch")
    assert service.redeem(code).status == 503
    assert service.authorize().status == 503
    deep = service.call("public", "GET", "/health/deep")
    assert (
        deep.json["checks"]["tokens_table_epoch"]["error"] == "an item has the schema version 2; this release reads 1"
    )


def test_an_item_that_does_not_say_its_layout_is_of_the_first(service):
    service.bump_epoch(0)  # as a restore writes it
    assert service.redeem(service.code()).status == 200


def test_every_layout_that_is_read_passes_and_no_other():
    for layout in item_schema.READS:
        item = {"pk": {"S": "code#d"}, "schema": {"N": str(layout)}}
        assert check_readable(item) is item
    assert check_readable(None) is None
    for layout in (0, max(item_schema.READS) + 1):
        with pytest.raises(ItemSchemaUnknown, match=f"an item has the schema version {layout}; this release reads 1"):
            check_readable({"pk": {"S": "code#d"}, "schema": {"N": str(layout)}})


def test_a_release_reads_what_it_writes_and_reports_both(service):
    items = service.call("public", "GET", "/version").json["items"]
    assert items == {"writes": item_schema.WRITES, "reads": list(item_schema.READS)}
    assert items["writes"] in items["reads"]
