"""The releases of the third step do what they are for, in the file that they replace."""

from types import SimpleNamespace

import pytest

from orchestrator.smoke.steps.shipping import RELEASES, overlay

SECRET = "secret"


def loaded(tmp_path, release):
    world = SimpleNamespace(folder=tmp_path, environment=SimpleNamespace(local=True))
    folder = overlay(world, release)
    source = (folder / "oauth" / "client_secrets.py").read_text()
    module: dict = {"__name__": "client_secrets"}
    exec(compile(source, release.key, "exec"), module)
    return module


@pytest.fixture
def by_key():
    return {release.key: release for release in RELEASES}


def test_a_good_release_differs_and_behaves_as_before(tmp_path, by_key):
    module = loaded(tmp_path, by_key["good"])
    assert module["matches"](SECRET, module["hash_of"](SECRET))


def test_a_release_with_a_late_fault_behaves_until_it_has_traffic(tmp_path, by_key, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000)
    module = loaded(tmp_path, by_key["bad-5xx"])
    monkeypatch.setattr("time.time", lambda: 1040)
    assert module["matches"](SECRET, module["hash_of"](SECRET))
    monkeypatch.setattr("time.time", lambda: 1041)
    with pytest.raises(RuntimeError):
        module["matches"](SECRET, module["hash_of"](SECRET))


def test_a_release_that_times_out_sleeps_longer_than_any_function_may(tmp_path, by_key, monkeypatch):
    slept = []
    monkeypatch.setattr("time.time", lambda: 1000)
    module = loaded(tmp_path, by_key["bad-timeout"])
    monkeypatch.setattr("time.time", lambda: 2000)
    monkeypatch.setattr("time.sleep", slept.append)
    assert module["matches"](SECRET, module["hash_of"](SECRET))
    assert slept == [60]


def test_a_release_that_cannot_be_imported_fails_at_once(tmp_path, by_key):
    with pytest.raises(ImportError):
        loaded(tmp_path, by_key["bad-import"])
