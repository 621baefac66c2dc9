"""The import rules between packages: one table. docs/architecture.md shows the same table."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ARROWS: dict[str, tuple[str, ...]] = {
    # package: packages of ours that it may import, besides itself
    "service.oauth": (),
    "service": (),
    "state_machines": (),
    "orchestrator.domain": (),
    "orchestrator.probes": ("orchestrator.domain",),
    "orchestrator.aws": ("orchestrator.domain",),
    "orchestrator.environments": ("orchestrator.domain",),
    "orchestrator.application": ("orchestrator.domain", "orchestrator.probes", "orchestrator.aws"),
    "orchestrator.tasks": (
        "orchestrator.domain",
        "orchestrator.probes",
        "orchestrator.aws",
        "orchestrator.application",
    ),
    "orchestrator.event_handlers": (
        "orchestrator.domain",
        "orchestrator.probes",
        "orchestrator.aws",
        "orchestrator.application",
    ),
    "orchestrator.packaging": ("orchestrator.domain", "orchestrator.environments"),
    "orchestrator.local.emulator": (),
    "orchestrator.local": (
        "orchestrator.domain",
        "orchestrator.probes",
        "orchestrator.aws",
        "orchestrator.application",
        "orchestrator.environments",
        "service.oauth",
    ),
    "orchestrator.cli": (
        "orchestrator.domain",
        "orchestrator.probes",
        "orchestrator.aws",
        "orchestrator.application",
        "orchestrator.environments",
        "orchestrator.packaging",
        "orchestrator.local",
        "state_machines",
    ),
    "orchestrator.cli.commands": (
        "orchestrator.domain",
        "orchestrator.environments",
        "orchestrator.cli",
        "orchestrator.console",
    ),
    "orchestrator.console": (
        "orchestrator.domain",
        "orchestrator.environments",
        "orchestrator.cli.actions",
        "orchestrator.cli.context",
        "orchestrator.cli.errors",
        "orchestrator.cli.live",
        "orchestrator.cli.operator",
        "orchestrator.cli.rendering",
        "orchestrator.probes.conformance",
    ),
    "orchestrator.smoke": (
        "orchestrator.domain",
        "orchestrator.aws",
        "orchestrator.application",
        "orchestrator.environments",
        "orchestrator.cli",
        "orchestrator.local",
        "state_machines",
    ),
    "infrastructure": (
        "orchestrator.domain",
        "orchestrator.environments",
        "orchestrator.aws",
        "orchestrator.application",
        "service",
        "state_machines",
    ),
    "cdk_app": ("infrastructure", "orchestrator.environments", "orchestrator.packaging"),
    "benchmarks": ("orchestrator", "service", "state_machines", "infrastructure"),
}
"""Which package may import which. The longest name that matches a module is its package."""

EXTERNAL: dict[str, tuple[str, ...]] = {
    # package: libraries that only it, and no other package that names them here, may import
    "orchestrator.local": ("ministack",),
    "infrastructure": ("aws_cdk", "constructs", "cdk_nag"),
    "orchestrator.environments.toml_editor": ("tomlkit",),
    "orchestrator.cli.rendering.reports": ("jinja2",),
    "orchestrator.application.html_templates": ("jinja2",),
    "orchestrator.application.status_page": ("jinja2",),
    "orchestrator.application.incidents": ("jinja2",),
    "orchestrator.console": ("jinja2", "starlette", "uvicorn"),
}

EDITORS = {"orchestrator.environments.toml_editor"}
"""Modules that write settings. Reading settings needs the standard library alone."""

PURE = ("time", "logging", "socket", "urllib.request", "http", "subprocess", "threading", "random", "os", "pathlib")
MOST_MODULES = 20
"""No folder of product code has more modules than this."""


def sources() -> list[Path]:
    tops = sorted({name.partition(".")[0] for name in ARROWS})
    files = [ROOT / f"{name}.py" for name in tops if (ROOT / f"{name}.py").is_file()]
    return sorted([*files, *(file for name in tops for file in (ROOT / name).rglob("*.py"))])


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it, as dotted names; `from a import b` is `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide the arrows"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


@cache
def all_imports() -> dict[str, set[str]]:
    """What each module imports. It takes seconds, so it is not done at the import of this file, which each worker makes."""
    return {module_of(file): imports(file) for file in sources()}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def package_of(module: str) -> str:
    return max((package for package in ARROWS if within(module, package)), key=len, default="")


def modules_of(package: str) -> list[str]:
    return [module for module in all_imports() if package_of(module) == package]


def ours(module: str) -> set[str]:
    return all_imports()[module] & all_imports().keys()


def test_every_module_is_in_the_table():
    assert len(all_imports()) > 400
    assert {module for module in all_imports() if not package_of(module)} <= {"orchestrator", "orchestrator.__main__"}
    assert not {package for package in ARROWS if not modules_of(package)}


@pytest.mark.parametrize("package", ARROWS)
def test_a_package_imports_only_what_the_table_allows(package):
    wrong = {
        f"{module} imports {name}"
        for module in modules_of(package)
        for name in ours(module) - {"orchestrator", "service"}
        if not within(name, package, *ARROWS[package])
    }

    assert not wrong


def test_no_module_imports_itself_through_others():
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, f"a cycle: {' imports '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        path.append(module)
        for name in sorted(ours(module)):
            # `from a import b` names the package as well; a package that holds the module itself is no dependency.
            if name != module and not within(module, name):
                visit(name)
        path.pop()
        done.add(module)

    for module in sorted(all_imports()):
        visit(module)


@pytest.mark.parametrize("package", EXTERNAL)
def test_some_libraries_belong_to_one_package(package):
    sharing = [other for other, libraries in EXTERNAL.items() if set(libraries) & set(EXTERNAL[package])]
    owners = (*sharing, "cdk_app", "benchmarks")
    wrong = {
        module for module, names in all_imports().items() if any(within(name, *EXTERNAL[package]) for name in names)
    }

    assert not {module for module in wrong if not within(module, *owners)}


@pytest.mark.parametrize("package", ["orchestrator.domain", "orchestrator.environments", "service.oauth"])
def test_decisions_need_the_standard_library_alone(package):
    modules = set(modules_of(package)) - EDITORS
    libraries = {name.partition(".")[0] for module in modules for name in all_imports()[module]}

    assert libraries <= sys.stdlib_module_names | {"orchestrator", "service"}
    assert not [module for module in modules if all_imports()[module] & EDITORS]


def test_the_domain_uses_no_clock_no_network_and_no_log():
    wrong = {
        (module, name)
        for module in modules_of("orchestrator.domain")
        for name in all_imports()[module]
        if within(name, *PURE)
    }

    assert not wrong


def test_no_folder_has_too_many_modules():
    folders: dict[Path, int] = {}
    for file in sources():
        if file.name != "__init__.py" and file.parent != ROOT and not within(module_of(file), "benchmarks"):
            folders[file.parent] = folders.get(file.parent, 0) + 1

    assert {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_the_architecture_page_has_the_table_of_import_rules():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("<!-- import rules -->")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.strip().splitlines()[2:]]

    assert {row[0].strip("`"): tuple(re.findall(r"`([\w.]+)`", row[-1])) for row in rows} == ARROWS
