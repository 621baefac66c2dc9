"""The command `grants revoke-all`: everything that was issued until now is rejected, by a higher revocation epoch.

The epoch is raised in the tokens table that the live versions use, which after a restore is not the one that the
stack created, and recorded in the revocation log, which no restore replaces.
"""

from __future__ import annotations

from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.cli.context import Context
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.token_sanitization import LoggedEpoch

RECENT = 20
OFFLINE_MINUTES = 10
"""Minutes for which a resource server that verifies by the keys alone accepts an access token: its lifetime."""


def consequences(context: Context) -> list[str]:
    """Return the consequences of revoking all grants, one sentence each."""
    sentences = [
        f"Every login, code and refresh token of {context.name} becomes invalid at its next use; all users log in again.",
        f"Resource servers that verify access tokens by the keys alone accept them for at most {OFFLINE_MINUTES} minutes.",
    ]
    if restore := _restore_in_progress(context):
        sentences.append(
            f"Restore {restore} is in progress and has an epoch of its own: repeat this command after its cutover."
        )
    return sentences


def revoke_all(context: Context, reason: str, by: str, *, confirmed: bool, json: bool) -> None:
    """Raise the revocation epoch, and print it.

    Args:
        context: the environment.
        reason: kept in the ledger.
        by: the operator's name.
        confirmed: the operator has agreed.
        json: print one JSON object.

    Raises:
        Refused: the reason is empty, or the operator did not confirm.
        OrchestratorError: a table could not be written. The command may be repeated, which raises the epoch again.
    """
    refuse_missing_reason("--reason", reason)
    if not confirmed:
        raise Refused(
            "--yes", "missing", "add it: with --json there is no confirmation, and all users must log in again"
        )
    cloud, table = context.cloud, context.live_tables[Role.TOKENS]
    tokens = RestoredTokens(context.clients("dynamodb"), table, table, context.revocations_table)
    known = tokens.read_known_epochs()
    epoch = max(known.restored, known.logged.epoch) + 1
    at = cloud.now()
    # In the table first: what is rejected now counts more than what a later restore knows.
    tokens.raise_epoch(epoch)
    tokens.log_epoch(LoggedEpoch(epoch, f"revoke-all {at.isoformat()}"))
    why = f"all grants revoked by {by}: epoch {epoch} in {table}: {reason}"
    record_action(context, f"revoke-all-{at.isoformat()}", "revoke all", why, at=at)
    restore = _restore_in_progress(context)
    if json:
        print_json(
            {"environment": context.name, "epoch": epoch, "table": table, "repeat_after_restore": restore or None}
        )
        return
    console().print(
        f"the revocation epoch of {context.name} is {epoch}, in {table}: all earlier grants are rejected", markup=False
    )
    if restore:
        console().print(f"repeat this command after the cutover of restore {restore}", markup=False)


def _restore_in_progress(context: Context) -> str:
    """Return the restore that has not ended; empty if there is none."""
    running = [one.id for one in context.cloud.restores.newest_records(RECENT) if one.ended_at is None]
    return running[0] if running else ""
