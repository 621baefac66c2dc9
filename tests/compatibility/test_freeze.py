"""The frozen release is what its commit says, and freezing it again gives the same."""

from __future__ import annotations

import subprocess
import zipfile

import pytest

from tests.compatibility import freeze


@pytest.fixture(scope="module")
def artefact():
    return freeze.latest()


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_artefact_is_the_one_whose_digest_stands_next_to_it(artefact):
    assert freeze.digest_path(artefact).read_text() == f"{freeze.digest(artefact)}  {artefact.name}\n"


def test_the_artefact_holds_what_its_commit_runs_and_nothing_of_how_it_is_deployed(artefact):
    try:
        frozen = freeze.sources(artefact.stem)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this checkout has no such commit: {error.stderr.decode().strip()}")
    assert contents(artefact) == frozen
    assert {"service/handlers/token.py", "service/pages/consent.html", "service/items.py"} <= set(frozen)
    assert not [name for name in frozen if "infrastructure" in name or "stack_policy" in name]


def test_the_same_commit_gives_the_same_artefact(artefact, tmp_path):
    try:
        again = freeze.freeze(artefact.stem, tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this checkout has no such commit: {error.stderr.decode().strip()}")
    assert again.name == artefact.name
    assert contents(again) == contents(artefact)
    with zipfile.ZipFile(again) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert freeze.freeze(artefact.stem, tmp_path).read_bytes() == again.read_bytes()


def test_a_second_artefact_is_refused_until_the_older_one_is_taken_away(tmp_path, monkeypatch):
    monkeypatch.setattr(freeze, "RELEASES", tmp_path)
    with pytest.raises(LookupError, match="must hold one artefact, not 0"):
        freeze.latest()
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).touch()
    with pytest.raises(LookupError, match="must hold one artefact, not 2"):
        freeze.latest()
