"""A release is built to the same bytes again, is made of what its bill says, and one that was touched is refused."""

from __future__ import annotations

import json
import zipfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from orchestrator.domain.deployment.release import PromotionAttestation
from orchestrator.domain.errors import Refused
from orchestrator.packaging import assets, releases
from orchestrator.packaging.sbom import read_pins, sbom_of


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The local environment's, whose dependencies nothing has to be installed for."""
    monkeypatch.setattr(releases, "releases_folder", lambda: tmp_path / "releases")
    return releases.build(["local"])


@pytest.mark.strategy("Deployment Steps: npm run build, npm run test")
def test_the_same_sources_are_the_same_bytes(built, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    monkeypatch.setattr(releases, "releases_folder", lambda: tmp_path / "again")
    monkeypatch.setattr(assets, "build_folder", lambda: tmp_path / "elsewhere")
    again = releases.build(["local"])

    assert again.name == built.name
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    assert before.keys() == {
        "release.json",
        "service.zip",
        "service.cdx.json",
        "orchestrator.zip",
        "orchestrator.cdx.json",
    }


def test_a_package_holds_its_asset_and_no_time_of_day(built):
    with zipfile.ZipFile(built / "service.zip") as archive:
        assert "service/handlers/token.py" in archive.namelist()
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("part", ["service", "orchestrator"])
def test_a_bill_of_materials_is_valid_and_names_every_package_of_the_lock_with_its_hashes(built, part):
    text = (built / f"{part}.cdx.json").read_text()
    bill = json.loads(text)
    pins = read_pins(assets.lock_of(part))

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert {one["name"]: (one["version"], len(one["hashes"])) for one in bill["components"]} == {
        name: (version, len(hashes)) for name, (version, hashes) in pins.items()
    }
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in bill["components"])
    assert bill["metadata"]["component"]["version"] == releases.read(built).assets[part]


def test_a_lock_with_conditions_is_read_package_by_package(tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text(
        f"# a note\na-b==1.0 ; python_version < '3.12' \\\n    --hash=sha256:{'a' * 64}\nc==2\n", encoding="utf-8"
    )
    assert read_pins(lock) == {"a-b": ("1.0", ("a" * 64,)), "c": ("2", ())}
    assert sbom_of("x", "1" * 64, [lock]) == sbom_of("x", "1" * 64, [lock])


@pytest.mark.parametrize("name", ["service.zip", "orchestrator.cdx.json"])
def test_a_release_of_which_something_was_changed_is_refused(built, name):
    releases.read(built)
    (built / name).write_bytes(b"other")
    with pytest.raises(Refused, match=f"{name}: 'changed' is refused: it was"):
        releases.read(built)


def test_a_release_that_names_other_content_is_refused(built):
    manifest = json.loads((built / "release.json").read_text())
    (built / "release.json").write_text(json.dumps({**manifest, "digest": "0" * 64}))
    with pytest.raises(Refused, match="does not match the assets"):
        releases.read(built)


def test_what_is_no_release_is_refused(tmp_path):
    with pytest.raises(Refused, match="name a folder that `orchestrator release build` created"):
        releases.read(tmp_path)
    with pytest.raises(Refused, match="name some of dev, staging, prod, local"):
        releases.build(["moon"])


def test_environments_whose_functions_differ_are_not_one_release(tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "releases_folder", lambda: tmp_path)
    one, other = assets.Asset(tmp_path, "a" * 64), assets.Asset(tmp_path, "b" * 64)
    built = {"dev": {"service": one, "orchestrator": one}, "prod": {"service": one, "orchestrator": other}}
    monkeypatch.setattr(releases, "_assets", built.__getitem__)
    with pytest.raises(Refused, match="'prod' is refused: its functions' content differs from dev's"):
        releases.build(["dev", "prod"])


def test_a_proof_is_kept_with_its_release(built):
    proof = PromotionAttestation("staging", releases.read(built).digest, "d-1", {"token": "sha"})
    assert releases.read_attestation(built, "staging") is None
    kept = releases.save_attestation(built, proof)
    assert releases.read_attestation(built, "staging") == proof
    releases.read(built)
    kept.write_text("{}")
    with pytest.raises(Refused, match="promote the release in that environment again"):
        releases.read_attestation(built, "staging")
