"""The arrows between the parts of the house: who may import whom."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "orchestrator",
    "service",
    "monitoring",
    "security",
    "backups",
    "state_machines",
    "environments",
    "stack_parts",
    "cdk_app",
    "benchmarks",
)
COMPOSERS = ("cdk_app.py",)


def sources() -> list[Path]:
    top = [ROOT / f"{name}.py" for name in OURS if (ROOT / f"{name}.py").is_file()]
    inside = [file for name in OURS if (ROOT / name).is_dir() for file in (ROOT / name).rglob("*.py")]
    return sorted(top + inside)


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it, as dotted names; `from a import b` is `a` and `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide the arrows"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


ALL = {module_of(file): imports(file) for file in sources()}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def ours(module: str) -> set[str]:
    return {name for name in ALL[module] if within(name, *OURS)}


def of(*packages: str) -> list[str]:
    return [module for module in ALL if within(module, *packages)]


def is_infrastructure(module: str) -> bool:
    return any(part.startswith("infrastructure") for part in module.split("."))


def test_there_is_something_to_look_at():
    assert len(of("orchestrator.domain")) > 5
    assert "service.oauth" in {name.rpartition(".")[0] for name in of("service.oauth")}
    assert is_infrastructure("service.infrastructure_api")


@pytest.mark.parametrize("module", of("orchestrator.domain"))
def test_the_domain_imports_the_standard_library_and_itself(module):
    for name in ALL[module]:
        assert within(name, "orchestrator.domain") or name.partition(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("module", of("orchestrator.domain"))
def test_the_domain_knows_no_clock_no_network_and_no_log(module):
    forbidden = {
        "time",
        "logging",
        "socket",
        "urllib.request",
        "http",
        "subprocess",
        "threading",
        "random",
        "os",
        "pathlib",
    }

    assert not {name for name in ALL[module] if within(name, *forbidden)}


@pytest.mark.parametrize("module", of("service"))
def test_the_service_knows_nothing_of_the_orchestrator(module):
    assert not {name for name in ours(module) if within(name, "orchestrator", "state_machines", "benchmarks")}


@pytest.mark.parametrize("module", of("service.oauth"))
def test_the_grants_are_pure(module):
    assert {name for name in ours(module) if not within(name, "service.oauth")} == set()


@pytest.mark.parametrize("module", [module for module in ALL if not is_infrastructure(module) and module != "cdk_app"])
def test_only_the_app_composes_infrastructure(module):
    assert not {name for name in ALL[module] if within(name, *OURS) and is_infrastructure(name)}
    assert (
        module == "stack_parts"
        or within(module, "orchestrator.local.refused_types")
        or not {name for name in ALL[module] if within(name, "aws_cdk", "constructs")}
    )


@pytest.mark.parametrize("module", [module for module in ALL if is_infrastructure(module)])
def test_an_infrastructure_imports_none_but_its_own(module):
    part = module.partition(".")[0]

    assert not {name for name in ours(module) if is_infrastructure(name) and not within(name, part)}


@pytest.mark.parametrize("module", of("orchestrator.tasks", "orchestrator.intake"))
def test_tasks_use_domain_probes_and_adapters(module):
    allowed = (
        "orchestrator.domain",
        "orchestrator.aws",
        "orchestrator.probes",
        "orchestrator.tasks",
        "orchestrator.intake",
    )

    assert {name for name in ours(module) if not within(name, *allowed, "orchestrator")} == set()
    assert not {name for name in ours(module) if within(name, "orchestrator.local", "orchestrator.cli")}


@pytest.mark.parametrize("module", of("orchestrator.aws"))
def test_adapters_decide_nothing_and_know_no_task(module):
    assert not {
        name
        for name in ours(module)
        if within(name, "orchestrator.tasks", "orchestrator.intake", "orchestrator.local", "orchestrator.cli")
    }


@pytest.mark.parametrize("module", of("orchestrator.probes"))
def test_probes_see_the_world_through_ports(module):
    assert not {
        name for name in ours(module) if not within(name, "orchestrator.domain", "orchestrator.probes", "orchestrator")
    }


@pytest.mark.parametrize("module", of("orchestrator.domain", "orchestrator.tasks", "orchestrator.aws", "service"))
def test_what_is_deployed_imports_nothing_of_the_emulator(module):
    assert not {name for name in ALL[module] if within(name, "ministack", "moto", "orchestrator.local")}


@pytest.mark.parametrize("module", of("orchestrator.cli"))
def test_the_command_line_uses_no_task(module):
    assert not {name for name in ours(module) if within(name, "orchestrator.tasks", "orchestrator.intake")}


def test_the_environments_are_read_with_the_standard_library():
    assert "environments.tables" in ALL
    for module in of("environments"):
        others = {name for name in ALL[module] if name.partition(".")[0] not in sys.stdlib_module_names}
        assert all(within(name, "environments") for name in others)
