"""Every kind of item that the ledger holds is placed: copied into the home region's ledger after a way back, or not.

The modules of `orchestrator/aws/ledger` document their keys in tables. `FakeDynamoDB` refuses a put of any other kind, so
a kind that no table documents fails the first test that writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import orchestrator.aws.ledger as package
from orchestrator.domain.failover.back.history import LEDGER_KINDS, kind_of_item
from tests.fakes.dynamodb import FakeDynamoDB

FOLDER = Path(str(package.__file__)).parent
COPIES = FOLDER.parent / "failover" / "ledger_copies.py"
OTHER_TABLES = {"heartbeats.py"}
INDEX = "the index"
"""Of records.py: each of its classes names its own as LISTED."""

IN_A_SENTENCE = {"list of recoveries", "managed clients", "registers of findings"}
"""The kinds whose modules have no table, because they have one key."""


def documented():
    """Yield the module, the partition key and the sort key of each row of the tables, with examples for what varies."""
    for path in (*sorted(FOLDER.glob("*.py")), COPIES):
        docstring = path.read_text(encoding="utf-8").split('"""')[1]
        if path.name in OTHER_TABLES or "| pk" not in docstring:
            continue
        for line in docstring.splitlines():
            pk, sk, *_ = [cell.strip() for cell in line.split("|")[1:-1]] or ("pk", "")
            if pk not in {"pk", INDEX} and set(pk) != {"-"}:
                yield path.name, example(pk), example(sk)


def example(cell):
    quoted = re.search(r"``(.+?)``", cell)
    key = quoted[1].replace("{name}", "recovery") if quoted else "what-varies"
    return re.sub(r"\{.+?\}|…|ID", "x", key)


@pytest.mark.parametrize(("module", "pk", "sk"), list(documented()))
def test_each_documented_kind_is_placed(module, pk, sk):
    assert kind_of_item(pk, sk), f"{module}: place it in LEDGER_KINDS (orchestrator/domain/failover/back/history.py)"


def test_each_placed_kind_is_documented():
    keys = {(pk, sk) for _, pk, sk in documented()}
    assert {kind.name for kind in LEDGER_KINDS if not any(kind.has(*key) for key in keys)} == IN_A_SENTENCE


def test_the_fake_ledger_refuses_a_kind_that_is_not_placed():
    fake, item = FakeDynamoDB(), {"pk": {"S": "something-new"}, "sk": {"S": "x"}}
    with pytest.raises(AssertionError, match="place this kind in LEDGER_KINDS"):
        fake.put_item(TableName="ib-oauth-ledger-test", Item=item)
    fake.put_item(TableName="ib-oauth-subscribers-test", Item=item)
