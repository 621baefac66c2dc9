"""Lock files with the time of their last commit, and files of advisories."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from datetime import UTC, datetime

import pytest

from orchestrator.cli.actions.checks.environment_checks import SOURCES
from orchestrator.cli.actions.upkeep import lock_files
from orchestrator.cli.actions.upkeep.lock_files import read_advisory_files, read_locks
from orchestrator.domain.errors import Refused

COMMITTED = 1_790_000_000
ENTRY = {"id": "A", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"]}]}


@pytest.fixture
def clone(tmp_path):
    def git(*words):
        at = f"{COMMITTED} +0000"
        variables = {**os.environ, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", "-C", tmp_path, *names, *words], check=True, env=variables, capture_output=True)

    for name in ("orchestrator/packaging/lambda-a.lock", "requirements/dev.lock"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("a==1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "Lock")
    (tmp_path / "requirements/new.lock").write_text("b==2\n")
    return tmp_path


def test_a_lock_is_as_old_as_its_last_commit_and_not_as_its_file(clone):
    locks, why = read_locks(clone)
    assert [(lock.name, lock.deployed, lock.changed_at) for lock in locks] == [
        ("orchestrator/packaging/lambda-a.lock", True, datetime.fromtimestamp(COMMITTED, UTC)),
        ("requirements/dev.lock", False, datetime.fromtimestamp(COMMITTED, UTC)),
        ("requirements/new.lock", False, None),
    ]
    assert why == "it is not committed"
    assert locks[0].pins[0].package == "a"


def test_a_shallow_clone_has_no_times(clone, tmp_path_factory):
    shallow = tmp_path_factory.mktemp("shallow") / "clone"
    subprocess.run(["git", "clone", "--depth", "1", f"file://{clone}", shallow], check=True, capture_output=True)
    locks, why = read_locks(shallow)
    assert (why, {lock.changed_at for lock in locks}) == ("git does not have the history", {None})


def test_without_a_clone_or_without_git_the_times_are_unknown(clone, tmp_path_factory, monkeypatch):
    assert read_locks(tmp_path_factory.mktemp("wheel")) == ((), "this is no clone")
    monkeypatch.setattr(lock_files.shutil, "which", lambda _name: None)
    assert read_locks(clone)[1] == "git does not have the history"


def test_the_project_s_own_locks_are_found():
    locks, _ = read_locks(SOURCES)
    assert {"requirements/dev.lock", "orchestrator/packaging/lambda-service.lock"} <= {lock.name for lock in locks}
    assert all(lock.pins for lock in locks)


def test_advisories_are_as_old_as_their_file_and_an_archive_is_the_whole_database(tmp_path):
    one, archive = tmp_path / "one.json", tmp_path / "all.zip"
    one.write_text(json.dumps([ENTRY]))
    os.utime(one, (COMMITTED, COMMITTED))
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("A.json", json.dumps(ENTRY))
        written.writestr("README.md", "not an entry")
    first, second = read_advisory_files([one, archive])
    assert (first.source, first.as_of) == ("one.json", datetime.fromtimestamp(COMMITTED, UTC))
    assert first.advisories == second.advisories
    assert (first.covers("b", "1"), second.covers("b", "1")) == (False, True)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"PK\x05\x06"])
def test_a_file_that_is_no_json_is_refused(tmp_path, content):
    file = tmp_path / "f.json"
    file.write_bytes(content)
    with pytest.raises(Refused, match="--advisories"):
        read_advisory_files([file])


def test_an_absent_file_and_a_too_large_archive_are_refused(tmp_path, monkeypatch):
    with pytest.raises(Refused, match="give a readable JSON file"):
        read_advisory_files([tmp_path / "absent.json"])
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("A.json", json.dumps(ENTRY))
    monkeypatch.setattr(lock_files, "MOST_BYTES", 10)
    with pytest.raises(Refused, match="unpacks to more than 10 bytes"):
        read_advisory_files([archive])
