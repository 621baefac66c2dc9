"""Each release reads what the other writes, attribute by attribute: what the frozen release requires is still written and read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from service.oauth.codes import Code
from service.oauth.families import Cause, Family
from service.oauth.logins import Login, Phase
from tests.compatibility import translator
from tests.compatibility.conftest import ROOT

GRANT = {"client_id": "native", "scope": ["profile", "email"], "audience": "https://auth.example", "epoch": 3}
SPARSE = {
    "login": {
        **GRANT, "digest": "d", "synthetic": False, "redirect_uri": "http://127.0.0.1/callback", "state": None,
        "code_challenge": "c", "browser": "b", "expires_at": 600, "phase": "started",
    },
    "code": {
        **GRANT, "digest": "d", "synthetic": True, "redirect_uri": "http://127.0.0.1/callback", "subject": "demo:1",
        "code_challenge": "c", "session": None, "session_expires_at": 7200, "expires_at": 120,
    },
    "family": {
        **GRANT, "family_id": "f", "synthetic": True, "subject": "demo:1", "session": None, "generation": 1,
        "refresh_hash": "h", "rotated_by": "n", "expires_at": 7200,
    },
}  # fmt: skip
FULL = {
    "login": {**SPARSE["login"], "state": "a b&c", "polls": 2, "polled_at": 17},
    "code": {**SPARSE["code"], "synthetic": False, "session": {"hex": "00ff"}},
    "family": {**SPARSE["family"], "synthetic": False, "session": {"hex": "00ff"}},
}
SAMPLES = [(thing, fields) for samples in (SPARSE, FULL) for thing, fields in samples.items()]
# What is not written when a thing is made, but added to its item later: thing, attribute, value, the field it becomes.
LATER = [
    *(("login", "phase", {"S": phase.value}, "phase", phase.value) for phase in Phase),
    ("login", "platform", {"S": "demo"}, "platform", "demo"),
    ("login", "upstream", {"B": {"hex": "00ff"}}, "upstream", {"hex": "00ff"}),
    ("code", "redeemed_by", {"S": "n"}, "redeemed_by", "n"),
    ("code", "family_id", {"S": "f"}, "family", "f"),
    *(("family", "revoked_because", {"S": cause.value}, "revoked_because", cause.value) for cause in Cause),
]


@pytest.fixture(scope="module")
def releases(previous):
    """The translators of (this release, the frozen one)."""

    def of(source):
        def translate(moves):
            ran = subprocess.run(
                [sys.executable, "-P", str(Path(translator.__file__))],
                env={"PYTHONPATH": str(source)}, input=json.dumps(moves), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            return json.loads(ran.stdout)

        return translate

    return of(ROOT), of(previous)


def read(thing, sample, item):
    key = sample["family_id" if thing == "family" else "digest"]
    return {"move": "read", "thing": thing, "key": key, "item": item, "synthetic": sample["synthetic"]}


@pytest.mark.parametrize("ours_writes", [True, False], ids=["this one writes", "the frozen one writes"])
def test_what_one_release_writes_the_other_reads_as_the_same(releases, ours_writes):
    writer, reader = releases if ours_writes else releases[::-1]
    written = writer([{"move": "write", "thing": thing, "fields": sample} for thing, sample in SAMPLES])
    found = reader([read(thing, sample, item) for (thing, sample), item in zip(SAMPLES, written, strict=True)])
    for (thing, sample), fields_read in zip(SAMPLES, found, strict=True):
        assert {name: fields_read.get(name, "the field is gone") for name in sample} == sample, thing


@pytest.mark.parametrize("ours_reads", [True, False], ids=["this one reads", "the frozen one reads"])
def test_what_is_added_to_an_item_later_is_read_by_either_release(releases, ours_reads):
    writer, reader = releases[::-1] if ours_reads else releases
    things = [one[0] for one in LATER]
    written = writer([{"move": "write", "thing": thing, "fields": SPARSE[thing]} for thing in things])
    changed = [{**item, one[1]: one[2]} for item, one in zip(written, LATER, strict=True)]
    found = reader([read(thing, SPARSE[thing], item) for thing, item in zip(things, changed, strict=True)])
    for (thing, attribute, _, field, value), fields_read in zip(LATER, found, strict=True):
        assert fields_read[field] == value, (thing, attribute)


def test_the_keys_of_both_releases_are_the_same(releases):
    ours, theirs = (
        [
            item["pk"]
            for item in release([{"move": "write", "thing": thing, "fields": sample} for thing, sample in SAMPLES])
        ]
        for release in releases
    )
    assert ours == theirs


@pytest.mark.parametrize(("thing", "kind"), [("login", Login), ("code", Code), ("family", Family)])
def test_the_samples_say_every_field_that_has_no_default(thing, kind):
    """A field that is added without one would break the code that reads an item of the release before."""
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    assert needed <= SPARSE[thing].keys()
