import dataclasses
import re
import subprocess
import zipfile
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement

from orchestrator import environments
from orchestrator.packaging import assets
from orchestrator.packaging.assets import (
    PackagingFailed,
    orchestrator_asset,
    service_asset,
    source_commit,
    zipped_bytes,
)

LOCAL = environments.load("local")
BUNDLED = dataclasses.replace(LOCAL, name="bundled", dependencies="bundled")
LARGEST_SERVICE_BYTES = 6_500_000


def files(asset) -> set[str]:
    return {path.relative_to(asset.folder).as_posix() for path in asset.folder.rglob("*") if path.is_file()}


def test_the_same_sources_are_the_same_asset():
    assert service_asset(LOCAL) == service_asset(LOCAL)


def test_the_service_s_asset_is_its_code_and_not_how_it_is_deployed():
    found = files(service_asset(LOCAL))

    assert {"service/handlers/token.py", "service/oauth/pkce.py"} <= found
    assert not [name for name in found if "stack_policy" in name or "__pycache__" in name]
    assert {name.partition("/")[0] for name in found} == {"service"}


def test_the_orchestrator_s_asset_has_no_command_line_and_nothing_local():
    found = files(orchestrator_asset(LOCAL))

    assert {
        "orchestrator/tasks/deployment/plan_deployment.py",
        "orchestrator/event_handlers/alarm_state_change.py",
        "orchestrator/domain/deployment/plan.py",
    } <= found
    parts = {"__init__.py", "application", "aws", "domain", "event_handlers", "probes", "tasks"}
    assert {name.split("/")[1] for name in found} == parts


def test_an_overlay_makes_another_release_of_the_service(tmp_path):
    (tmp_path / "oauth").mkdir()
    (tmp_path / "oauth" / "pkce.py").write_text("# another\n")

    plain, other = service_asset(LOCAL), service_asset(LOCAL, tmp_path)

    assert plain.digest != other.digest
    assert files(plain) == files(other)
    assert (other.folder / "service/oauth/pkce.py").read_text() == "# another\n"


def test_an_overlay_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PackagingFailed, match=r"nowhere does not exist"):
        service_asset(LOCAL, tmp_path / "nowhere")


def test_when_a_file_was_written_does_not_matter(tmp_path):
    (tmp_path / "extra.py").write_text("x = 1\n")
    before = service_asset(LOCAL, tmp_path)
    (tmp_path / "extra.py").touch()

    assert service_asset(LOCAL, tmp_path) == before


def test_a_digest_distinguishes_names_from_contents(tmp_path):
    digests = set()
    for name, content in (("ab", "c"), ("a", "bc")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(content)
        digests.add(assets._digest(folder))

    assert len(digests) == 2


def test_the_size_is_that_of_a_zip_file(tmp_path):
    asset = service_asset(LOCAL)
    with zipfile.ZipFile(tmp_path / "same.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files(asset)):
            archive.write(asset.folder / name, name)

    assert zipped_bytes(asset) == (tmp_path / "same.zip").stat().st_size


def test_bundled_dependencies_are_built_for_lambda_and_small_enough():
    service, orchestrator = service_asset(BUNDLED), orchestrator_asset(BUNDLED)

    binaries = [name for name in files(service) | files(orchestrator) if name.endswith(".so")]
    assert binaries
    assert all("aarch64" in name or "abi3" in name for name in binaries)
    assert "cryptography/__init__.py" in files(service)
    assert {"aws_lambda_powertools/__init__.py", "msgspec/__init__.py"} <= files(orchestrator)
    assert not [name for name in files(service) | files(orchestrator) if name.startswith(("boto3", "botocore", "bin/"))]
    assert zipped_bytes(service) <= LARGEST_SERVICE_BYTES


def test_dependencies_are_pinned_with_hashes_to_the_versions_that_tests_run_with():
    pin = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    tested = dict(pin.findall((assets.SOURCES / "requirements" / "dev.lock").read_text()))
    for lock in map(assets.lock_of, ("service", "orchestrator")):
        pins = dict(pin.findall(lock.read_text()))
        assert pins
        assert {name: tested[name] for name in pins} == pins
        assert lock.read_text().count("--hash=sha256:") >= len(pins)


def test_what_a_dependency_wants_with_extras_is_pinned_with_them():
    """Otherwise pip looks for the newest version that has them, and the day there is a newer one nothing can be installed."""
    locked = (assets.SOURCES / "requirements" / "dev.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[([^]]+)\])?==", locked, re.MULTILINE))
    wanted = [Requirement(line) for one in distributions() for line in one.requires or ()]
    with_extras = [
        one
        for one in wanted
        if one.extras and one.name.lower() in pins and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]
    assert with_extras
    for one in with_extras:
        assert one.extras <= set(re.split(", *", pins[one.name.lower()])), one


def test_what_pip_cannot_install_is_reported_in_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "build_folder", lambda: tmp_path / "build")
    monkeypatch.setattr(assets, "lock_of", lambda name: tmp_path / f"lambda-{name}.lock")
    (tmp_path / "lambda-service.lock").write_text("./nowhere-1.0-py3-none-any.whl\n")

    with pytest.raises(PackagingFailed, match=r"lambda-service.lock: (.|\n)*nowhere"):
        assets._dependencies("service")

    assert not list((tmp_path / "build" / "dependencies").iterdir())


def git(folder, *arguments):
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_release_s_commit_is_the_last_that_changed_the_service(tmp_path):
    service = tmp_path / "service"
    service.mkdir()
    (service / "code.py").write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "service")
    first = source_commit(service)
    (tmp_path / "docs.md").write_text("2")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "docs")

    assert re.fullmatch(r"[0-9a-f]{40}", first)
    assert source_commit(service) == first

    (service / "code.py").write_text("3")
    assert source_commit(service) == f"{first}+"


def test_outside_a_repository_the_commit_is_unknown(tmp_path):
    assert source_commit(tmp_path) == "unknown"
