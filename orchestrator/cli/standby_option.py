"""``--standby``: the option of commands that can use the standby region's ledger, also while the home region is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.cli.context import Context

Standby = Annotated[bool, typer.Option("--standby", help="Use the ledger of the standby region.")]


def context_in(env: str, *, standby: bool) -> Context:
    """Return the context of an environment, or of its standby region.

    Raises:
        Refused: there is no such environment, or it has no standby region.
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    # As in every command, for a fast start.
    from orchestrator.cli.actions.failovers.standby import standby_context  # noqa: PLC0415
    from orchestrator.cli.context import context_of  # noqa: PLC0415

    return standby_context(env) if standby else context_of(env)
