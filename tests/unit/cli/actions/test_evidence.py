"""`orchestrator evidence`, over a chain in memory, and over what an auditor took away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.domain.recovery.record import CheckResult, RecoveryPhase, concluded
from orchestrator.domain.verdict import Verdict
from tests.fakes.evidence import EvidenceInMemory
from tests.samples import NOW, recovery, seconds

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"})
GOOD, BAD = (
    CheckResult("content.state", Verdict.passed("equal")),
    CheckResult("content.tokens", Verdict.failed("3 are missing")),
)


class Environment:
    """What the command line reaches: an environment that was drilled three times, the last one red."""

    def __init__(self) -> None:
        self.name, self.cloud, self.memory = "test", self, EvidenceInMemory()
        self.s3, self.artifacts, self.evidence = self.memory.bucket, self.memory.artifacts, self.memory.chain
        for number, finding in enumerate((GOOD, GOOD, BAD), start=1):
            ended = NOW + timedelta(days=number)
            phases = (RecoveryPhase("AwaitRestore", ended - seconds(60), ended),)
            one = recovery(id=f"dr-{number}", requested_at=ended - seconds(60), phases=phases, check_results=(finding,))
            self.evidence.append_entry(concluded(one, ended), None, ended)


@pytest.fixture
def there(monkeypatch):
    found = Environment()
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: found)
    return found


def run(*words: str) -> SimpleNamespace:
    answer = RUN.invoke(app, ["evidence", *map(str, words)])
    return SimpleNamespace(code=answer.exit_code, text=answer.output)


def verified_after(harm, folder) -> SimpleNamespace:
    """Export the chain, harm the folder, and verify it."""
    run("export", folder)
    harm(folder)
    return run("verify", "--folder", folder)


def printed(*words: str):
    return json.loads(run(*words, "--json").text)


def test_evidence_is_listed_newest_first(there):
    listed = printed("list")

    assert [link["recovery"] for link in listed["entries"]] == ["dr-3", "dr-2", "dr-1"]
    assert listed["head"]["number"] == 3
    assert [link["recovery"] for link in printed("list", "--limit", "1")["entries"]] == ["dr-3"]
    assert "FAILED" in run("list").text.splitlines()[1]


def test_an_environment_that_was_never_drilled_says_so(there, monkeypatch):
    monkeypatch.setattr(there.evidence, "read_entries", list)

    assert "no evidence yet" in run("list").text


def test_a_recovery_is_shown_with_what_went_wrong(there):
    text = run("show", "dr-3").text

    assert text.startswith("FAILED  drill dr-3 of test")
    assert "failed      content.tokens: FAIL: 3 are missing" in text
    assert "recovery time: not measured, objective 7200 s: MISSED" in text
    assert "wall time" in text


def test_the_document_is_printed_as_it_was_recorded(there):
    assert printed("show", "dr-3")["recovery"]["id"] == "dr-3"


def test_what_is_as_it_was_recorded_is_sound(there):
    answer = run("verify")

    assert answer.code == 0
    assert "3 entries, all files as recorded" in answer.text


def test_what_was_changed_is_named_and_the_exit_code_says_so(there):
    key = next(key for key in there.s3.objects if "dr-2/page" in key)
    there.s3.objects[key] += b" "

    answer = run("verify")

    assert answer.code == 1
    assert "entry 2 (dr-2) page.html" in answer.text
    assert printed("verify")["sound"] is False


def test_what_was_changed_is_neither_shown_nor_exported(there, tmp_path):
    key = next(key for key in there.s3.objects if "dr-2/bundle" in key)
    there.s3.objects[key] += b" "

    assert run("show", "dr-2").code == 2
    assert run("export", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


def test_an_export_is_checked_without_a_cloud(there, tmp_path, monkeypatch):
    assert run("export", tmp_path / "out").code == 0
    monkeypatch.setattr("orchestrator.cli.context.context_of", None)

    answer = run("verify", "--folder", tmp_path / "out")

    assert answer.code == 0
    assert sorted(file.name for file in (tmp_path / "out" / "000002-dr-2").iterdir()) == [
        "bundle.json",
        "entry.json",
        "page.html",
    ]


def swap(folder):
    first, second = folder / "000001-dr-1", folder / "000002-dr-2"
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)


def remove(folder):
    for file in (folder / "000002-dr-2").iterdir():
        file.unlink()
    (folder / "000002-dr-2").rmdir()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda folder: (folder / "000002-dr-2/page.html").write_text("better"),
            "entry 2 (dr-2) page.html: its SHA-256 is",
        ),
        (lambda folder: (folder / "000002-dr-2/page.html").unlink(), "entry 2 (dr-2) page.html: it is missing"),
        (lambda folder: (folder / "000002-dr-2/entry.json").unlink(), "entry 2: 0 bytes: it is not an entry"),
        (
            lambda folder: (folder / "head.json").write_text('{"number": 4, "hash": "x"}'),
            "the head: missing at the end: entry 4",
        ),
        (remove, "entry 3 (dr-3): missing before it: entry 2"),
        (swap, "entry 1 (dr-1): it is at position 2, after entry 2: reordered"),
    ],
    ids=["changed", "file gone", "entry gone", "head", "removed", "reordered"],
)
def test_an_export_that_was_changed_says_where(there, tmp_path, harm, said):
    answer = verified_after(harm, tmp_path / "out")

    assert answer.code == 1
    assert said in answer.text


@pytest.mark.parametrize("body", ["[]", "{}", '{"number": "x", "hash": 5}', "{"])
def test_a_head_in_the_ledger_that_cannot_be_read_is_a_fault_and_hides_none(there, body):
    there.memory.ledger.items["evidence", "head"]["body"] = {"S": body}
    answer = run("verify")
    assert answer.code == 1
    assert "the evidence differs from what was recorded" in answer.text
    assert printed("verify")["sound"] is False


def test_a_head_that_was_recorded_elsewhere_is_what_counts(there, tmp_path):
    run("export", tmp_path / "out")
    head = printed("list")["head"]

    right = run("verify", "--folder", tmp_path / "out", "--head", f"3:{head['hash']}")
    upper = run("verify", "--folder", tmp_path / "out", "--head", f"3:{head['hash'].upper()}")
    wrong = run("verify", "--folder", tmp_path / "out", "--head", f"3:{'0' * 64}")

    assert (right.code, upper.code, wrong.code) == (0, 0, 1)
    assert f"the given head: entry 3 has the hash {head['hash']} instead of 000" in " ".join(wrong.text.split())
    assert "came after it" not in right.text


@pytest.mark.parametrize("signed", [True, False])
def test_a_head_from_before_the_export_proves_that_the_chain_continues_it(there, tmp_path, signed):
    run("export", tmp_path / "out")
    known = there.evidence.read_entries()[0]
    head = tmp_path / "head.json"
    head.write_bytes(next(text for text in there.evidence.heads.read_versions() if b'"number":1,' in text))

    answer = run("verify", "--folder", tmp_path / "out", "--head", head if signed else f"1:{known.hash}")

    assert answer.code == 0, answer.text
    text = " ".join(answer.text.split())
    assert "3 entries, all files as recorded; the chain head is 3:" in text
    assert "entry 1 has the hash of the given head, so the chain continues the one that ended there" in text
    assert "entry 2 to 3 came after it and rest on their signatures" in text


def test_a_signed_head_from_before_the_export_needs_no_second_place(there, tmp_path):
    head = tmp_path / "head.json"
    head.write_bytes(next(text for text in there.evidence.heads.read_versions() if b'"number":1,' in text))
    there.evidence.heads = None
    run("export", tmp_path / "out")

    assert run("verify", "--folder", tmp_path / "out", "--head", head).code == 0


@pytest.mark.parametrize("number", ["1", "0"])
def test_another_hash_at_an_older_number_is_a_fault(there, tmp_path, number):
    run("export", tmp_path / "out")

    answer = run("verify", "--folder", tmp_path / "out", "--head", f"{number}:{'f' * 64}")

    assert answer.code == 1
    assert "it is another chain" in " ".join(answer.text.split())


def test_a_head_far_beyond_the_chain_is_named_in_one_line(there, tmp_path):
    run("export", tmp_path / "out")

    answer = run("verify", "--folder", tmp_path / "out", "--head", f"500000000:{'f' * 64}")

    assert answer.code == 1
    assert "the given head: missing at the end: entry 4 to 500000000" in " ".join(answer.text.split())
    assert len(answer.text) < 1000


def added(where):
    def harm(folder):
        (folder / where).parent.mkdir(exist_ok=True)
        (folder / where).write_text("better")

    return harm


def link(folder):
    (folder / "more").symlink_to(folder / "000001-dr-1")


def rename(folder):
    (folder / "000003-dr-3").rename(folder / "000003-dr-9")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (added("summary.html"), "summary.html: no entry names it"),
        (added("000003-dr-3/page2.html"), "000003-dr-3/page2.html: no entry names it"),
        (added("000003-dr-3/more/page.html"), "000003-dr-3/more/page.html: no entry names it"),
        (added("000003-dr-3/\x1b[1Apage.html"), "000003-dr-3/\\x1b[1Apage.html: no entry names it"),
        (link, "more: no entry names it"),
        (rename, "000003-dr-9: it has entry 3 (dr-3), so it was renamed or replaced"),
    ],
    ids=["top", "subfolder", "deeper", "control characters", "link", "renamed"],
)
def test_what_was_added_to_an_export_is_named(there, tmp_path, harm, said):
    answer = verified_after(harm, tmp_path / "out")

    assert answer.code == 1
    assert said in " ".join(answer.text.split())


@pytest.mark.parametrize(
    "content", ['{"number": 3}', '{"number": 3, "hash": "HASH", "note": 1}', '{"number":3,"hash":"HASH"}']
)
def test_a_head_of_an_export_with_other_bytes_is_refused(there, tmp_path, content):
    run("export", tmp_path / "out")
    (tmp_path / "out/head.json").write_text(content.replace("HASH", printed("list")["head"]["hash"]))

    answer = run("verify", "--folder", tmp_path / "out", "--json")

    assert answer.code == 2
    assert "it is not the head that `evidence export` writes" in json.loads(answer.text)["error"]["remedy"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("show", "dr-9"), "recovery"),
        (("verify", "--folder", "nowhere"), "--folder"),
        (("verify", "--head", "3:abc"), "--head"),
    ],
)
def test_a_refusal_names_what_is_wrong(there, words, field):
    answer = run(*words, "--json")

    assert answer.code == 2
    assert json.loads(answer.text)["error"]["field"] == field


def test_a_head_that_is_none_is_refused(there, tmp_path):
    run("export", tmp_path / "out")

    for head in ("newest", "x" * 300, "5000000:abc", "3:abc", f"3:{'g' * 64}", f"-3:{'f' * 64}", f"²:{'f' * 64}", "3:"):
        answer = run("verify", "--folder", tmp_path / "out", "--head", head, "--json")
        assert answer.code == 2, head
        assert "NUMBER:HASH with the 64 hexadecimal digits" in json.loads(answer.text)["error"]["remedy"]
    (tmp_path / "out/head.json").write_text("[]")
    assert run("verify", "--folder", tmp_path / "out").code == 2


def test_an_export_goes_into_a_folder_of_its_own(there, tmp_path):
    (tmp_path / "file").write_text("mine")

    assert run("export", tmp_path).code == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_recovery_recorded_twice_has_one_link(there):
    one = concluded(replace(recovery(id="dr-3"), check_results=(GOOD,)), NOW)

    link, new = there.evidence.append_entry(one, None, NOW)

    assert (link.number, link.outcome, new) == (3, "FAILED", False)


def test_the_public_keys_are_printed_and_written_for_an_auditor(there, tmp_path):
    kid = there.evidence.published_keys().keys[0].kid
    assert json.loads(run("key").text)["keys"][0]["kid"] == kid
    assert printed("key")["keys"] == [kid]

    assert "1 keys in" in run("key", "--output", tmp_path / "keys.json").text
    assert run("verify", "--key", tmp_path / "keys.json").code == 0


def test_the_newest_signed_head_is_printed_and_written(there, tmp_path):
    head = printed("list")["head"]
    assert json.loads(run("head").text)["number"] == 3
    assert printed("head")["head"] == head

    assert run("head", "--output", tmp_path / "head.json").text.startswith(f"head 3:{head['hash']} in")
    run("export", tmp_path / "out")
    assert run("verify", "--folder", tmp_path / "out", "--head", tmp_path / "head.json").code == 0


def test_a_head_that_no_published_key_signed_is_refused(there, tmp_path):
    run("export", tmp_path / "out")
    run("head", "--output", tmp_path / "head.json")
    forged = (tmp_path / "head.json").read_bytes().replace(b'"number":3', b'"number":2')
    (tmp_path / "head.json").write_bytes(forged)

    answer = run("verify", "--folder", tmp_path / "out", "--head", tmp_path / "head.json", "--json")

    assert (answer.code, json.loads(answer.text)["error"]["field"]) == (2, "--head")
    (tmp_path / "head.json").write_text("[]")
    assert run("verify", "--folder", tmp_path / "out", "--head", tmp_path / "head.json").code == 2


def test_without_a_second_place_the_head_command_names_the_setting(there):
    there.evidence.heads = None

    answer = run("head", "--json")

    assert (answer.code, json.loads(answer.text)["error"]["field"]) == (2, "env")
    assert "copy_region" in json.loads(answer.text)["error"]["remedy"]
    assert "there is no second place" in " ".join(run("verify").text.split())


def test_before_the_first_entry_there_is_no_head(there):
    there.memory.second_place.versions.clear()

    assert "record evidence first" in " ".join(run("head").text.split())


@pytest.mark.parametrize("content", [None, "", "[]", '{"environment": "test", "keys": []}'])
def test_a_file_that_has_no_keys_is_refused(there, tmp_path, content):
    key = tmp_path / "keys.json"
    if content is not None:
        key.write_text(content)

    answer = run("verify", "--key", key, "--json")

    assert (answer.code, json.loads(answer.text)["error"]["field"]) == (2, "--key")


def test_a_head_in_the_place_of_the_keys_is_refused_with_where_the_keys_are_from(there, tmp_path):
    run("head", "--output", tmp_path / "head.json")

    answer = run("verify", "--key", tmp_path / "head.json", "--json")

    remedy = json.loads(answer.text)["error"]["remedy"]
    assert (
        remedy
        == "give the file that has the public keys, as `orchestrator evidence key --output FILE` writes it: it has no field 'keys'"
    )


def test_the_keys_of_another_environment_verify_nothing(there, tmp_path):
    run("key", "--output", tmp_path / "keys.json")
    text = (tmp_path / "keys.json").read_text()
    (tmp_path / "keys.json").write_text(text.replace('"test"', '"prod"'))

    assert "it is of 'test', not of prod" in " ".join(run("verify", "--key", tmp_path / "keys.json").text.split())


def test_an_export_without_keys_needs_the_published_ones(there, tmp_path):
    run("export", tmp_path / "out")
    run("key", "--output", tmp_path / "keys.json")
    (tmp_path / "out" / "keys.json").unlink()

    assert run("verify", "--folder", tmp_path / "out").code == 2
    assert run("verify", "--folder", tmp_path / "out", "--key", tmp_path / "keys.json").code == 0
