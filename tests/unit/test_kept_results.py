"""A simulation that was stopped goes on from the results that it kept, and never from those of other code."""

from __future__ import annotations

from benchmarks import verdict
from benchmarks.rollouts import local_cloud
from benchmarks.rollouts.grid import Cell
from benchmarks.rollouts.kept_results import KeptResults, code_digest
from benchmarks.rollouts.labelled import Clustering


def test_what_was_kept_is_there_again(tmp_path):
    file = tmp_path / "kept.jsonl"
    KeptResults(file, "code").put("a cell", {"metrics": 0.01})
    again = KeptResults(file, "code")
    assert again.get("a cell") == {"metrics": 0.01}
    assert again.get("another") is None


def test_a_result_of_other_code_does_not_count(tmp_path):
    file = tmp_path / "kept.jsonl"
    KeptResults(file, "old").put("a cell", {"metrics": 0.01})
    assert KeptResults(file, "new").get("a cell") is None


def test_a_line_that_a_killed_run_left_unfinished_is_passed_over_and_ends_nothing_after_it(tmp_path):
    file = tmp_path / "kept.jsonl"
    kept = KeptResults(file, "code")
    kept.put("first", {"metrics": 0.0})
    with file.open("a") as half:
        half.write('{"code": "code", "key": "sec')
    KeptResults(file, "code").put("third", {"metrics": 0.5})
    again = KeptResults(file, "code")
    assert (again.get("first"), again.get("third")) == ({"metrics": 0.0}, {"metrics": 0.5})


def test_without_a_file_results_are_kept_in_memory():
    kept = KeptResults(None, "code")
    kept.put("a cell", {"metrics": 0.01})
    assert kept.get("a cell") == {"metrics": 0.01}


def test_the_digest_is_of_the_judging_code(tmp_path):
    assert code_digest() == code_digest()
    assert len(code_digest()) == 16


def test_a_grid_takes_kept_results_instead_of_simulating_again(tmp_path):
    file = tmp_path / "kept.jsonl"
    cells = [Cell(0.01, 1.0, Clustering.INDEPENDENT, "all-at-once")]
    first = verdict.measure_grid(5, 1, 1, cells, keep=file)
    size = file.stat().st_size
    assert verdict.measure_grid(5, 1, 1, cells, keep=file) == first
    assert file.stat().st_size == size


def test_deployments_on_the_local_cloud_that_were_kept_are_not_run_again(tmp_path, monkeypatch):
    file = tmp_path / "kept.jsonl"
    monkeypatch.setattr(local_cloud, "_run_on_one_cloud", None)
    kept = KeptResults(file, code_digest())
    for number, outcome in enumerate(["SUCCEEDED", "ROLLED_BACK", "SUCCEEDED", "SUCCEEDED"], start=1):
        reason = "chance" if outcome == "ROLLED_BACK" else ""
        kept.put(f"local cloud|d-equal-{number:03}", {"outcome": outcome, "reason": reason, "seconds": 40.0 + number})
    (line,), notes = local_cloud.measure(4, clouds=2, keep=file)
    assert (line.figure, line.reached) == (25.0, False)
    assert notes == [
        "d-equal-002: ROLLED_BACK: chance",
        "1 of 4 deployments of an equal release were rolled back",
        "from request to end of one: median 43 s, longest 44 s",
    ]
