"""Finds the cloud assembly that was deployed: the one whose templates the configuration snapshot has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.aws.rebuild.assemblies import Assembly
from orchestrator.cli.context import Context
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.plan import refuse_other_assembly
from orchestrator.environments import project


def find_assembly(context: Context, snapshot: ConfigurationSnapshot, folder: Path | None) -> tuple[Path, Assembly]:
    """Return the assembly of a folder, or the newest in the build folder that is the deployed one.

    Args:
        context: the environment.
        snapshot: its configuration before the loss.
        folder: the assembly's folder; None searches.

    Raises:
        Refused: the folder has no assembly, or no assembly in the build folder is the deployed one.
    """
    if folder is not None:
        try:
            return folder, Assembly(folder, context.account, context.environment.region)
        except (OSError, ValueError, KeyError) as error:
            raise Refused("--assembly", str(folder), "name a folder that `npx cdk synth` wrote") from error
    for candidate in _candidates(context):
        try:
            assembly = Assembly(candidate, context.account, context.environment.region)
            stacks = assembly.stacks(context.environment.region)
            refuse_other_assembly(snapshot, {name: assembly.template(name) for name in stacks})
        except (OSError, ValueError, KeyError, Refused):
            continue
        return candidate, assembly
    remedy = (
        f"no assembly in {project.build_folder()} is the one that was deployed: get that release's folder (the artifact "
        "`release` of its pipeline run), and name its assemblies/ENV"
    )
    raise Refused("--assembly", "none", remedy)


def _candidates(context: Context) -> Iterator[Path]:
    """Yield the folders of assemblies of the environment, the newest first."""
    build = project.build_folder()
    patterns = (f"releases/*/assemblies/{context.name}", f"assemblies/{context.name}-*")
    found = [folder for pattern in patterns for folder in build.glob(pattern) if (folder / "manifest.json").is_file()]
    yield from sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)
