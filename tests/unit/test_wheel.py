"""The wheel has everything that the commands read, is small, and works where there is no clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.cli.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("infrastructure", "orchestrator", "service", "state_machines")
BUILT_FROM = ("LICENSE", "README.md", "cdk_app.py", "environments.toml", "pyproject.toml", *PACKAGES)
MOST_BYTES = 2_200_000
ONLY_IN_A_CLONE = (
    "infrastructure/monitoring/grafana/",
    "orchestrator/environments/json_schema/",
    "orchestrator/local/demo/",
    "orchestrator/smoke/",
    "service/openapi/",
    "state_machines/diagrams/",
)
"""The smoke test of an AWS account (`make smoke-aws`), the demo (`make demo`), and generators of files in the clone."""
REFUSED, UNREACHABLE = 2, 3
INSTALL_SECONDS = 180
WITHOUT_EXTRAS = tuple(module for modules in EXTRAS.values() for module in modules)

RUN = """
import sys
folder, missing, *sys.argv = sys.argv[1:]
sys.path.insert(0, folder)
sys.modules.update(dict.fromkeys(missing.split(","), None))
import orchestrator
assert orchestrator.__file__.startswith(folder), orchestrator.__file__
"""
COMMAND = f"{RUN}\nfrom orchestrator.cli.main import app\napp(prog_name='orchestrator')"
IMPORTS = f"""{RUN}
import importlib, pkgutil
import orchestrator.cli.actions as actions
for module in pkgutil.walk_packages(actions.__path__, actions.__name__ + "."):
    if module.name != "orchestrator.cli.actions.local":
        importlib.import_module(module.name)
print("imported")
"""


def files() -> list[str]:
    """The files of the clone that are built into a wheel, those of a change that is not committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *BUILT_FROM]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [name for name in listed if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", f"--wheel-dir={target}"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def run(unpacked, tmp_path):
    """Run the installed command line in an empty folder, without the extras' modules or with all."""

    def run(*arguments: str, program: str = COMMAND, missing: tuple[str, ...] = WITHOUT_EXTRAS):
        command = [sys.executable, "-I", "-c", program, str(unpacked), ",".join(missing) or "nothing", "orchestrator"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [*command, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )

    return run


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size <= MOST_BYTES


def test_every_file_of_the_packages_is_in_it_as_it_is(wheel):
    expected = {
        name
        for name in files()
        if name.split("/")[0] in (*PACKAGES, "cdk_app.py") and not name.startswith(ONLY_IN_A_CLONE)
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert found == expected
        assert len(expected) > 500
        assert [name for name in expected if archive.read(name) != (ROOT / name).read_bytes()] == []


@pytest.mark.parametrize(
    "name",
    [
        "infrastructure/orchestrator/stack_policy.json",
        "infrastructure/service/stack_policy.json",
        "orchestrator/application/prices.toml",
        "orchestrator/cli/actions/project/deploy_workflow.yml",
        "orchestrator/console/static/icon.svg",
        "orchestrator/console/static/live.js",
        "orchestrator/console/templates/page.html.j2",
        "orchestrator/environments/template.toml",
        "orchestrator/packaging/lambda-orchestrator.lock",
        "orchestrator/packaging/lambda-service.lock",
        "service/openapi.json",
        "service/pages/page.html",
        "service/pages/style.css",
        "service/pages/waiting.js",
        "state_machines/rollback.asl.json",
        "cdk_app.py",
    ],
)
def test_each_kind_of_data_is_in_it(unpacked, name):
    assert (unpacked / name).is_file()
    assert not (unpacked / name).is_symlink()


def test_its_metadata_has_the_licence_and_every_extra(unpacked):
    (metadata,) = unpacked.glob("*.dist-info")
    text = (metadata / "METADATA").read_text()
    assert "License-Expression: Apache-2.0" in text
    assert (metadata / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert {f"Provides-Extra: {extra}" for extra in ("all", *EXTRAS)} <= set(text.splitlines())


def test_the_version_is_printed(run, unpacked):
    (metadata,) = unpacked.glob("*.dist-info")
    version = PurePosixPath(metadata.name).stem.split("-")[1]
    answer = run("--version")
    assert (answer.returncode, answer.stdout) == (0, f"orchestrator {version}\n"), answer.stderr


def test_a_new_project_is_complete(run):
    assert run("init", "--yes").returncode == 0
    answer = run("strategies", "--env", "local", "--json")
    assert answer.returncode == 0, answer.stderr
    assert "canary-10-50" in json.loads(answer.stdout)
    assert run("status").returncode == UNREACHABLE


def test_without_a_project_it_names_init(run):
    answer = run("strategies", "--env", "local")
    assert answer.returncode == REFUSED
    assert "orchestrator init" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [(["console"], "console"), (["up"], "local"), (["cost"], "infrastructure"), (["release", "build"], "release")],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_without_its_extra_a_command_says_what_to_install(run, arguments, extra):
    run("init", "--yes")
    answer = run(*arguments)
    assert answer.returncode == REFUSED, answer.stderr
    assert f"pip install 'ib-oauth-orchestrator[{extra}]'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_commands_on_accounts_need_no_extra(run):
    answer = run(program=IMPORTS)
    assert answer.stdout == "imported\n", answer.stderr


def test_what_is_built_from_it_is_the_release_of_the_clone(run):
    """An installation and a clone of the same commit build the same packages, so that a release can be checked."""
    digests = (
        "from orchestrator import environments; from orchestrator.packaging import assets\n"
        "local = environments.load('local')\n"
        "print(assets.service_asset(local).digest, assets.orchestrator_asset(local).digest)"
    )
    run("init", "--yes")
    installed = run(program=f"{RUN}\n{digests}", missing=())
    here = subprocess.run([sys.executable, "-c", digests], cwd=ROOT, capture_output=True, text=True, check=True)
    assert installed.stdout == here.stdout, installed.stderr


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_from_the_wheel_to_a_deployment_and_a_drill_in_a_new_environment(wheel, tmp_path):
    """Needs a package index. The local cloud has to be deployed within three minutes of the start of pip."""
    environment, folder = tmp_path / "venv", tmp_path / "project"
    folder.mkdir()
    environ = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)

    def run(*command: str) -> None:
        program = str(environment / "bin" / command[0])
        finished = subprocess.run(
            [program, *command[1:]], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=600
        )
        assert finished.returncode == 0, f"{command}: {finished.stdout}{finished.stderr}"

    started = time.monotonic()
    run("pip", "install", "--quiet", f"{wheel}[local]")
    run("orchestrator", "init", "--yes")
    try:
        run("orchestrator", "up", "--detach")
        seconds = time.monotonic() - started
        run("orchestrator", "deploy", "--watch")
        run("orchestrator", "drill", "--watch")
    finally:
        run("orchestrator", "down")
    assert seconds <= INSTALL_SECONDS
