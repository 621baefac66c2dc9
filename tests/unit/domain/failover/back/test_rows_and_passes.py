"""The rows that only the home region's old tables have, and when enough was copied."""

import pytest

from orchestrator.domain.failover.back.passes import FEW_ROWS, MOST_PASSES, is_caught_up
from orchestrator.domain.failover.back.rows import OldRow, describe_rows, old_rows


def item(key, **attributes):
    return {"pk": {"S": key}, **attributes}


def test_rows_of_clients_are_named_by_kind_and_key():
    items = [item("client#shop"), item("family#1", delete_at={"N": "200"}), item("login#2", delete_at={"N": "100"})]
    rows = old_rows(items, "delete_at", 100.0)
    assert rows == (OldRow("client", "client#shop"), OldRow("family", "family#1"))
    assert describe_rows(rows) == "2 rows are only in the old tables (client 1, family 1)"


def test_what_no_client_wrote_is_left_out():
    ours = ["heartbeat#001", "synthetic#family#1", "epoch", "recovery"]
    assert old_rows([item(key) for key in ours], "delete_at", 0.0) == ()
    assert describe_rows(()) == "no row is only there"


def test_without_a_time_to_live_no_row_has_expired():
    assert old_rows([item("code#1", delete_at={"N": "1"})], "", 100.0) == (OldRow("code", "code#1"),)


@pytest.mark.parametrize(
    ("passes", "changed", "enough"),
    [(1, 0, True), (1, FEW_ROWS, True), (1, FEW_ROWS + 1, False), (MOST_PASSES, 10_000, True)],
)
def test_passes_end_when_they_find_little_and_after_so_many(passes, changed, enough):
    assert is_caught_up(passes, changed) is enough
