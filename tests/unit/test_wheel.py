"""The wheels have everything that the commands read, are small, and work where there is no clone.

The main one is enough for commands on accounts. The emulator of the local cloud is the other.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.cli.extras import EMULATOR, EXTRAS, PACKAGE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("infrastructure", "orchestrator", "service", "state_machines")
SECOND = "distributions/emulator"
"""The folder that the emulator's wheel is built in; its modules are elsewhere."""
EMULATOR_FOLDER = f"{EMULATOR.replace('.', '/')}/"
BUILT_FROM = (
    *("LICENSE", "Makefile", "README.md", "cdk_app.py", "environments.toml", "pyproject.toml"),
    *(SECOND, *PACKAGES),
)
MOST_BYTES = 2_000_000
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
# An editable installation finds every module of ours that the folder has not.
sys.meta_path[:] = [finder for finder in sys.meta_path if not getattr(finder, "__module__", "").startswith("__editable__")]
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
LOCAL_IMPORTS = f"""{RUN}
from orchestrator.local import assembly_deploy, cdk_deploy, cloud, post_deploy
print("imported")
"""
SERVER = f"""{RUN}
from orchestrator.cli.extras import require
require("local")
from orchestrator.local import emulator, server
assert emulator.__file__.startswith(folder), emulator.__file__
emulator.install_patches(emulator.Options())
print("imported")
"""


def files() -> list[str]:
    """The files of the clone that are built into a wheel, those of a change that is not committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *BUILT_FROM]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [name for name in listed if (ROOT / name).exists()]


def leave_files_of_an_earlier_build(source: Path) -> None:
    """What a build leaves in a clone: a copy of each module, and a list of the files."""
    (source / "build/lib" / EMULATOR_FOLDER).mkdir(parents=True)
    (source / "build/lib" / EMULATOR_FOLDER / "moved.py").touch()
    (source / "dist").mkdir()
    (source / "dist/ib_oauth_orchestrator-0.0.9-py3-none-any.whl").touch()
    listed = source / f"{PACKAGE.replace('-', '_')}.egg-info/SOURCES.txt"
    listed.parent.mkdir()
    listed.write_text("\n".join(name for name in files() if name.startswith("orchestrator/local/")))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> tuple[Path, Path]:
    """The main wheel and that of the emulator, as `make wheels` builds them in a clone that was built before."""
    source = tmp_path_factory.mktemp("source")
    for name in files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    leave_files_of_an_earlier_build(source)
    options = [f"PYTHON={sys.executable}", "WHEEL_OPTIONS=--no-build-isolation --no-index"]
    subprocess.run(["make", "--silent", "wheels", *options], cwd=source, check=True, capture_output=True)
    main, emulator = sorted((source / "dist").iterdir())
    return main, emulator


@pytest.fixture(scope="module")
def wheel(wheels) -> Path:
    return wheels[0]


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def unpacked_with_emulator(wheels, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed_local")
    for one in wheels:
        zipfile.ZipFile(one).extractall(folder)
    return folder


@pytest.fixture
def run(unpacked, tmp_path):
    """Run the installed command line in an empty folder, without the extras' modules or with all."""

    def run(
        *arguments: str, program: str = COMMAND, missing: tuple[str, ...] = WITHOUT_EXTRAS, installed: Path = unpacked
    ):
        command = [sys.executable, "-I", "-c", program, str(installed), ",".join(missing) or "nothing", "orchestrator"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [*command, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )

    return run


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size <= MOST_BYTES


def test_every_file_of_the_packages_is_in_one_of_them_as_it_is(wheels):
    packaged = {
        name
        for name in files()
        if name.split("/")[0] in (*PACKAGES, "cdk_app.py") and not name.startswith(ONLY_IN_A_CLONE)
    }
    of_the_emulator = {name for name in packaged if name.startswith(EMULATOR_FOLDER)}
    assert len(of_the_emulator) > 100
    assert len(packaged - of_the_emulator) > 500
    for built, expected in zip(wheels, (packaged - of_the_emulator, of_the_emulator), strict=True):
        with zipfile.ZipFile(built) as archive:
            found = [name for name in archive.namelist() if ".dist-info/" not in name]
            assert sorted(found) == sorted(expected)
            assert [name for name in expected if archive.read(name) != (ROOT / name).read_bytes()] == []


def test_no_file_is_in_both(wheels):
    """So one can be uninstalled, and the other is complete."""
    main, emulator = (set(zipfile.ZipFile(built).namelist()) for built in wheels)
    assert not main & emulator


def test_they_have_one_version_licence_and_python(wheels):
    main, emulator = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", SECOND)
    )
    for key in ("version", "license", "license-files", "requires-python"):
        assert main[key] == emulator[key]
    version = main["version"]
    assert [built.name.split("-")[1] for built in wheels] == [version, version]
    assert f"{emulator['name']}=={version}" in main["optional-dependencies"]["local"]
    assert f"{main['name']}=={version}" in emulator["dependencies"]
    for built in wheels:
        with zipfile.ZipFile(built) as archive:
            (licence,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
            assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


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


@pytest.mark.parametrize("arguments", [["up"], ["down"], ["rehearse", "--scenario", "all"], ["failover", "rehearse"]])
def test_without_the_emulator_a_command_of_the_local_cloud_names_the_extra(run, arguments):
    run("init", "--yes")
    answer = run(*arguments, missing=())
    assert answer.returncode == REFUSED, answer.stderr
    assert f"needs the extra `local`, and {EMULATOR} is not installed" in answer.stderr
    assert "pip install 'ib-oauth-orchestrator[local]'" in answer.stderr


def test_without_the_emulator_a_local_cloud_is_looked_for_and_stacks_can_be_synthesised(run):
    """`release build`, `cost`, `compliance` and `rebuild` import these when they run."""
    answer = run(program=LOCAL_IMPORTS, missing=())
    assert answer.stdout == "imported\n", answer.stderr


@pytest.mark.proof
def test_without_the_emulator_stacks_are_synthesised(run):
    run("init", "--yes")
    answer = run("cost", "--env", "staging", missing=())
    assert answer.returncode == 0, answer.stderr


def test_without_the_emulator_disasters_are_listed(run):
    answer = run("rehearse", "list", missing=())
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("together", [True, False])
def test_an_installation_from_a_file_takes_the_emulator_from_a_file(run, unpacked, wheels, tmp_path, together):
    """An index need not have a project of that name, and if it has, the project need not be ours."""
    installed, folder = tmp_path / "installed", tmp_path / "wheels of mine"
    shutil.copytree(unpacked, installed)
    folder.mkdir()
    main, emulator = wheels
    if together:
        shutil.copy2(emulator, folder)
    (metadata,) = installed.glob("*.dist-info")
    (metadata / "direct_url.json").write_text(json.dumps({"url": (folder / main.name).as_uri(), "archive_info": {}}))
    answer = run("up", missing=(), installed=installed)
    named = f"'{folder / emulator.name}'" if together else emulator.name
    assert f"pip install 'ib-oauth-orchestrator[local]' {named}" in answer.stderr
    assert "ib_oauth" not in run("console", installed=installed).stderr


def test_with_the_emulator_the_server_of_the_local_cloud_starts(run, unpacked_with_emulator):
    answer = run(program=SERVER, missing=(), installed=unpacked_with_emulator)
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
def test_from_the_wheels_to_a_deployment_and_a_drill_in_a_new_environment(wheels, tmp_path):
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
    main, emulator = map(str, wheels)
    run("pip", "install", "--quiet", f"{main}[local]", emulator)
    run("orchestrator", "init", "--yes")
    try:
        run("orchestrator", "up", "--detach")
        seconds = time.monotonic() - started
        run("orchestrator", "deploy", "--watch")
        run("orchestrator", "drill", "--watch")
    finally:
        run("orchestrator", "down")
    assert seconds <= INSTALL_SECONDS
