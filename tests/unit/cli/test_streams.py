"""The output of the command line: a terminal without some characters, a reader that goes, a disk that is full."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.errors import DONE, FAILED, REFUSED, UNREACHABLE, answer_to
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.cli.streams import OUTPUT_NOT_WRITTEN, OutputNotWritten, guarded_output
from tests.fakes.errors import client_error

ROOT = Path(__file__).resolve().parents[3]
WORDS = "naïve → 80 % — [….usage] 日本"


def orchestrator(*words: str, **options) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "orchestrator", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environ", {})}
    return subprocess.Popen(command, env=environ, cwd=ROOT, **options)


def streams(encoding: str) -> tuple[io.TextIOWrapper, io.TextIOWrapper]:
    return tuple(io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_a_character_that_the_terminal_lacks_is_a_question_mark(monkeypatch, encoding):
    out, err = streams(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded_output():
        console().print(WORDS)
        print_json({"reason": WORDS})
        sys.stderr.write(WORDS)
    written, errors = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
    assert written.startswith(WORDS.encode(encoding, "replace").decode(encoding))
    assert written.rstrip().endswith("}")
    assert errors == WORDS.encode(encoding, "replace").decode(encoding)


@pytest.mark.parametrize("words", [("cost", "--help"), ("status", "--env", "é"), ("nothing-é",)], ids=" ".join)
def test_an_ascii_terminal_gets_all_of_the_output(words):
    ended = orchestrator(*words, environ={"PYTHONIOENCODING": "ascii"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = ended.communicate(timeout=120)
    shown = (out + err).decode("ascii")
    assert "Traceback" not in shown
    assert "?" in shown or "\\xe9" in shown
    assert ended.returncode == (DONE if "--help" in words else REFUSED)


@pytest.mark.parametrize(
    "words",
    [
        ("strategies", "--env", "prod"),
        ("strategies", "--env", "prod", "--json"),
        ("--help",),
        ("status", "--env", "prd"),
    ],
    ids=" ".join,
)
def test_a_reader_that_closes_the_pipe_has_an_exit_code_of_its_own(words):
    reading, writing = os.pipe()
    os.close(reading)
    ended = orchestrator(*words, stdout=writing, stderr=writing if words[-1] == "prd" else subprocess.PIPE)
    os.close(writing)
    _, err = ended.communicate(timeout=120)
    assert ended.returncode == OUTPUT_NOT_WRITTEN
    assert not err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
@pytest.mark.parametrize("words", [("strategies", "--env", "prod"), ("strategies", "--env", "prod", "--json")])
def test_a_full_disk_is_reported_and_is_no_failed_deployment(words):
    with Path("/dev/full").open("w") as full:
        ended = orchestrator(*words, stdout=full, stderr=subprocess.PIPE)
        _, err = ended.communicate(timeout=120)
    assert ended.returncode == OUTPUT_NOT_WRITTEN
    assert err.decode() == "the output could not be written: [Errno 28] No space left on device\n"


class Closed(io.TextIOWrapper):
    """A pipe whose reader is gone."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    "write",
    [lambda: console().print("x"), lambda: print_json({}), lambda: sys.stdout.write("x"), lambda: print("x")],  # noqa: T201
    ids=["rich", "json", "write", "print"],
)
def test_every_way_to_write_ends_the_same(monkeypatch, write):
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(OutputNotWritten) as ended, guarded_output():
        write()
    assert ended.value.code == OUTPUT_NOT_WRITTEN
    assert sys.stderr.getvalue() == ""


def test_a_command_that_fails_keeps_its_exit_code_if_the_output_was_written(monkeypatch):
    out, err = streams("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    def command():
        with guarded_output():
            sys.stdout.write("half")
            raise SystemExit(FAILED)

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == FAILED
    assert out.buffer.getvalue() == b"half"
    assert (sys.stdout, sys.stderr) == (out, err)


def test_what_is_wrong_is_printed_without_its_escape_codes(monkeypatch):
    out, err = streams("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded_output():
        sys.stderr.write("Error: No such option: --\x1b[2J\n")
    assert err.buffer.getvalue() == b"Error: No such option: --\\x1b[2J\n"


def test_a_program_without_streams_runs(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with guarded_output():
        pass


@pytest.mark.parametrize(
    "page",
    ["README.md", "reference/cli", "guides/operations", "guides/incidents", "runbooks/drill", "runbooks/restore",
     "runbooks/failback"],
)  # fmt: skip
def test_the_exit_code_of_a_request_that_aws_rejected_is_documented_as_such(page):
    answer = answer_to(client_error("AccessDeniedException"))
    assert answer is not None
    message, code, _ = answer
    assert (message.startswith("AWS rejected the request"), code) == (True, UNREACHABLE)
    file = ROOT / page if page.endswith(".md") else ROOT / "docs" / f"{page}.md"
    text = " ".join(file.read_text(encoding="utf-8").replace("|", " ").split())
    assert re.search(rf"\b{code} [^.;\d]*\brejected a request\b", text)


def test_the_exit_codes_are_different_and_documented():
    codes = {DONE, FAILED, REFUSED, UNREACHABLE, OUTPUT_NOT_WRITTEN, 130}
    assert len(codes) == 6
    for page in ("docs/reference/cli.md", "README.md", "docs/guides/operations.md"):
        text = (ROOT / page).read_text(encoding="utf-8").replace("|", " ")
        assert f"{OUTPUT_NOT_WRITTEN} the output could not be written" in " ".join(text.split())
