"""docs/reference/parity.md lists every case, and the local cloud agrees with AWS in 95 % of those in use."""

import json
import re
from pathlib import Path

import pytest

from tests.aws_operations import model
from tests.contract.parity.case import Case, NotCovered, Rejection, run
from tests.contract.parity.cases import CASES
from tests.contract.parity.operations import BY_SERVICE_ITSELF, THROUGH_CLOUDFORMATION, used_operations
from tests.contract.parity.page import AGREE, PAGE, case_key, percentage, read

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = read(TEXT)
SNAPSHOTS = Path(__file__).resolve().parents[2] / "infrastructure/snapshots"
GOAL_PERCENT = 95


def test_the_page_lists_every_case_once():
    assert [row.key for row in ROWS] == [case_key(case) for case in CASES]
    assert len({row.key for row in ROWS}) == len(CASES)


def test_the_local_cloud_agrees_on_operations_in_use():
    in_use = [row.verdicts["ours"] for row in ROWS if row.operation in used_operations()]
    assert percentage(in_use) >= GOAL_PERCENT


def test_the_local_cloud_agrees_more_often_than_the_others():
    shares = {name: percentage(row.verdicts[name] for row in ROWS) for name in ("stock", "ours", "moto")}
    assert shares["ours"] > max(shares["stock"], shares["moto"])


def test_every_difference_of_the_local_cloud_is_explained_by_both_answers():
    listed = TEXT.split("## Differences of the local cloud\n")[1].split("\n## ")[0]
    keys = {row.key for row in ROWS if row.verdicts["ours"] != AGREE}
    assert set(re.findall(r"^\| (.+?) \| (?:yes|no) \|", listed, re.MULTILINE)) == keys


def test_the_figures_are_those_of_the_cases():
    share = percentage(row.verdicts["ours"] for row in ROWS)
    assert re.search(rf"^\| all \| {len(ROWS)} \| [\d.]+ % agree \| {share:.1f} % agree \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("kind", THROUGH_CLOUDFORMATION)
def test_cloudformation_has_a_resource_of_every_type(kind):
    templates = (path for path in SNAPSHOTS.rglob("*") if path.is_file())
    assert any(kind in path.read_text(encoding="utf-8") for path in templates)


def test_every_operation_is_one_of_aws():
    for case in CASES:
        service, name = case.operation.split(":")
        assert case.operation in BY_SERVICE_ITSELF or name in model(service).operation_names, case.operation


class _Emulator:
    endpoint_url = "http://127.0.0.1:1"


def verdict(expected, answer):
    return run(Case("lambda:Invoke", "a case", "a/test::x", lambda _aws: answer, expected), _Emulator()).verdict


@pytest.mark.parametrize(
    ("expected", "answer", "agrees"),
    [
        (Rejection("A", 400, "^Not .*$"), Rejection("A", 400, "Not found"), True),
        (Rejection("A", 400, "^Not .*$"), Rejection("A", 400, "Found"), False),
        (Rejection("A", 400), Rejection("B", 400), False),
        (Rejection("A", 400), Rejection("A", 404), False),
        (Rejection("A", 400), "accepted", False),
        ({"a": re.compile("^x")}, {"a": "xy"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": True}, False),
        ([1], [1], True),
        ("accepted", Rejection("A", 400), False),
    ],
)
def test_an_answer_agrees_if_all_its_facts_do(expected, answer, agrees):
    assert verdict(expected, answer) == ("agree" if agrees else "differ")


@pytest.mark.parametrize("answer", [Rejection("InternalError", 500), Rejection("InvalidAction", 400)])
def test_what_is_not_implemented_is_no_difference(answer):
    assert verdict("accepted", answer) == "not covered"


def test_what_an_emulator_does_not_have_is_not_covered():
    def request(_aws):
        raise NotCovered("no such thing")

    assert run(Case("lambda:Invoke", "a case", "a/test::x", request, 1), _Emulator()).verdict == "not covered"


def test_a_fault_of_a_case_itself_is_no_verdict():
    def request(_aws):
        return json.loads("{")

    with pytest.raises(ValueError, match="Expecting"):
        run(Case("lambda:Invoke", "a case", "a/test::x", request, 1), _Emulator())
