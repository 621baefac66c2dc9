"""Changes of managed clients: the ledger's record first, then the item that the service reads, the copy, then the grants.

The copy is the same record in the ledger of the standby region, for a failover. Wherever a command stops, `orchestrator
clients reapply` brings into effect what the ledger has, and copies it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.application.failover.managed_clients import copy_record, copy_records
from orchestrator.application.restored_tables.managed_clients import bring_into_effect, reapply_clients
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.ledger.failovers import FailoverStore, ReadAssignment
from orchestrator.aws.oauth_tables.client_grants import ClientGrants
from orchestrator.cli.actions.clients.configuration import limits_of
from orchestrator.cli.actions.clients.reading import public_record
from orchestrator.cli.context import Context
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.clients import client as clients
from orchestrator.domain.clients.client import Change, EndedGrants, ManagedClient, Wanted
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.errors import NotCopied, NotRecorded, OrchestratorError, Refused
from orchestrator.domain.failover.issuing_region import IssuingAssignment, has_true_records
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.user_erasure import erasure_cost

SECRET_BYTES = 32
SECRET_PREFIX = "ibxs_"  # noqa: S105 - the prefix by which a secret scanner finds leaked secrets of the service
MAX_PASSES = 5


_FAILED = (OrchestratorError, BotoCoreError, ClientError)


class GrantsNotEnded(OrchestratorError):
    """New grants kept appearing although the client is disabled."""


class NotComplete(OrchestratorError):
    """A command failed, and the standby region's ledger does not have its change either."""


def add(context: Context, wanted: Wanted, reason: str, by: str, *, public: bool, json: bool) -> None:
    """Add a client, and print its secret once.

    Args:
        context: the environment.
        wanted: the client as given.
        reason: for the ledger.
        by: the operator.
        public: it gets no secret, as an application on its users' devices.
        json: print one JSON object.

    Raises:
        Refused: the environment has no managed clients, a field is invalid, or the id is or was in use.
    """
    change = _change(context, reason, by)
    if not context.environment.service.managed_clients:
        remedy = (
            "set it to true in environments.toml, then npx cdk deploy and orchestrator deploy: the service reads it"
        )
        raise Refused(f"{context.name}.service.managed_clients", value=False, remedy=remedy)
    secret = None if public else _new_secret()
    client = clients.new_client(wanted, limits_of(context), None if secret is None else _hash_of(secret), change)
    with _saved(context, client):
        _print_secret(context, client, secret, json=json)


def rotate_secret(
    context: Context, client_id: str, overlap: str, reason: str, by: str, *, discard_new: bool, json: bool
) -> None:
    """Give a client a new secret, next to which the present one is accepted for the overlap. Print it once.

    Raises:
        Refused: the client is public, removed or unknown, the overlap is invalid, or another one is running.
    """
    change, length, secret = _change(context, reason, by), clients.parse_overlap(overlap), _new_secret()
    before = context.cloud.client_records.read_client(client_id)
    client = clients.rotate_secret(before, _hash_of(secret), length, change, discard_new=discard_new)
    with _saved(context, client):
        _print_secret(context, client, secret, json=json)


def set_contacts(
    context: Context,
    client_id: str,
    contacts: tuple[str, ...],
    reason: str,
    by: str,
    *,
    webhook_secret: str | None = None,
    json: bool,
) -> None:
    """Replace the contacts of a client.

    Raises:
        Refused: an address is invalid, or the client is unknown.
    """
    before = context.cloud.client_records.read_client(client_id)
    client = clients.with_contacts(before, contacts, _change(context, reason, by), webhook_secret=webhook_secret or "")
    named = [*contacts, *(["a webhook"] if webhook_secret else [])]
    with _saved(context, client):
        _print(context, client, f"{client_id}: contacts are {', '.join(named) or 'none'}", json=json)


def disable(context: Context, client_id: str, reason: str, by: str, units_per_second: float, *, json: bool) -> None:
    """Disable a client at once, and end its grants. On a disabled client, end what is left of them.

    In a standby region that has not taken over, only the record is written: a failover brings it into effect.

    Raises:
        Refused: the client is unknown, removed, or a configured one.
        Throttled, Unreachable: it may be in effect already; repeat the command.
    """
    _refuse_configured(context, client_id)
    before = context.cloud.client_records.read_client(client_id)
    client = clients.disable(before, _change(context, reason, by))
    if _is_before_takeover(context):
        _record_for_failover(context, before, client, json=json)
        return
    with _brought_into_effect(context, client) if client == before else _saved(context, client):
        ended = _end_grants(context, client_id, units_per_second, json=json)
        _print(context, client, f"{client_id} is disabled; {_ended(ended)}", json=json, ended=ended)


def enable(context: Context, client_id: str, reason: str, by: str, units_per_second: float, *, json: bool) -> None:
    """Enable a disabled client. What is left of its earlier grants ends first, so its users log in again.

    Raises:
        Refused: it is not disabled, or less than a minute ago.
    """
    change, before = _change(context, reason, by), context.cloud.client_records.read_client(client_id)
    client = clients.enable(before, change)
    ended = _end_grants(context, client_id, units_per_second, json=json)
    with _saved(context, client):
        _print(context, client, f"{client_id} is enabled; {_ended(ended)}", json=json, ended=ended)


def remove(context: Context, client_id: str, reason: str, by: str, units_per_second: float, *, json: bool) -> None:
    """Remove a disabled client for ever. What is left of its grants ends first.

    In a standby region that has not taken over, only the record is written: a failover brings it into effect.

    Raises:
        Refused: it is not disabled, or less than a minute ago.
    """
    change, before = _change(context, reason, by), context.cloud.client_records.read_client(client_id)
    client = clients.remove(before, change)
    if _is_before_takeover(context):
        _record_for_failover(context, before, client, json=json)
        return
    ended = _end_grants(context, client_id, units_per_second, json=json)
    with _saved(context, client):
        _print(context, client, f"{client_id} is removed; {_ended(ended)}", json=json, ended=ended)


def reapply(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Write every client's item again, as the ledger has it: after a restore, or a command that stopped midway.

    In an environment with a standby region, also make the records in its ledger those of this one, also if the items
    cannot be written here.

    Raises:
        NotCopied: the standby region's ledger does not have the records.
        NotComplete: nor could the items be written here.
    """
    change = _change(context, reason, by)
    records = context.cloud.client_records
    failed: Exception | None = None
    changed: tuple[str, ...] = ()
    try:
        changed = reapply_clients(context.cloud, context.live_tables[Role.TOKENS])
    except _FAILED as error:
        failed = error
    copied: tuple[str, ...] = ()
    cause = ""
    try:
        if standby := _standby_ledger(context):
            copied = copy_records(records, *standby)
    except _FAILED as error:
        cause = _text_of(error)
    if failed:
        raise _incomplete(context, failed, cause)
    problem = NotCopied("clients reapply", str(context.standby_region), context.name, cause) if cause else None
    known = len(records.list_clients())
    # That the records are not copied is what the operator has to read, not that the event is missing.
    with suppress(NotRecorded) if problem else nullcontext():
        record_action(context, f"clients-reapply-{change.at.isoformat()}", f"clients reapply by {by}", reason)
    if json:
        print_json({"environment": context.name, "clients": known, "changed": changed, "copied": copied})
    else:
        screen = console()
        screen.print(f"{known} clients are as the ledger has them; changed: {', '.join(changed) or 'none'}")
        if context.standby_region and problem is None:
            screen.print(f"records copied to {context.standby_region}: {', '.join(copied) or 'none'}", markup=False)
    if problem:
        raise problem


def _change(context: Context, reason: str, by: str) -> Change:
    refuse_missing_reason("--reason", reason)
    _refuse_outdated_settings(context)
    return Change(by, reason, context.cloud.now())


def _refuse_configured(context: Context, client_id: str) -> None:
    if client_id in {client.client_id for client in context.environment.service.clients}:
        remedy = (
            "remove it from environments.toml, then npx cdk deploy and orchestrator deploy: a configured client wins"
        )
        raise Refused("CLIENT", client_id, remedy)


@contextmanager
def _saved(context: Context, client: ManagedClient) -> Iterator[None]:
    """Save a change, bring it into effect, and record its event after the block.

    What the block does, such as printing the only copy of a secret, does not depend on the event.

    Raises:
        NotCopied: the standby region's ledger does not have the change, which is in effect.
        NotRecorded: the ledger did not accept the event.
    """
    context.cloud.client_records.save_client(client)
    try:
        with _brought_into_effect(context, client):
            yield
    except BaseException:
        # That the change is not complete is what the operator has to read, not that its event is missing.
        with suppress(NotRecorded):
            _record_event(context, client)
        raise
    _record_event(context, client)


def _record_event(context: Context, client: ManagedClient) -> None:
    event_id = f"clients-{client.client_id}-{client.revision}"
    name = f"clients {client.action} {client.client_id} by {client.changed.by}"
    record_action(context, event_id, name, client.changed.reason)


@contextmanager
def _brought_into_effect(context: Context, client: ManagedClient) -> Iterator[None]:
    """Bring a client's record into effect, and copy it to the standby region.

    It is copied also if it could not be brought into effect here: a failover may be what comes next. The block follows also
    if it could not be copied: the change is in effect.

    Raises:
        NotCopied: after the block, if the standby region's ledger does not have the record.
        NotComplete: nor could the change be brought into effect, or the block failed.
    """
    failed: Exception | None = None
    try:
        items = context.cloud.client_items(context.live_tables[Role.TOKENS])
        bring_into_effect(context.cloud, items, client)
    except _FAILED as error:
        failed = error
    cause = _copy_to_standby(context, client)
    if failed:
        raise _incomplete(context, failed, cause)
    try:
        yield
    except _FAILED as error:
        if not cause:
            raise
        raise _incomplete(context, error, cause) from error
    if cause:
        done = f"clients {client.action} {client.client_id}"
        raise NotCopied(done, str(context.standby_region), context.name, cause)


def _incomplete(context: Context, failed: Exception, cause: str) -> Exception:
    """Return the error of a command that failed, with why the standby region's ledger lacks its change, if it does."""
    if not cause:
        return failed
    return NotComplete(
        f"{_text_of(failed)}; and the ledger in {context.standby_region} does not have the change ({cause}): repeat the"
        " command"
    )


def _is_before_takeover(context: Context) -> bool:
    """Return whether the context is of a standby region whose records are not in force yet."""
    if not context.environment.standby:
        return False
    assignment = context.cloud.failovers.read_assignment().assignment
    return assignment is None or not has_true_records(assignment, context.environment.region)


def _record_for_failover(context: Context, before: ManagedClient, client: ManagedClient, *, json: bool) -> None:
    """Write a change into the ledger of a standby region that has not taken over; a failover brings it into effect."""
    if client != before:
        context.cloud.client_records.save_client(client)
        _record_event(context, client)
    message = (
        f"{client.client_id} is {client.status} by the ledger of {context.environment.region}, from the next failover on;"
        f" in {context.environment.lost_region} nothing has changed: if it goes on, repeat the command there"
    )
    _print(context, client, message, json=json)


def _copy_to_standby(context: Context, client: ManagedClient) -> str:
    """Write a client's record to the standby region's ledger; return why that does not have it, empty if it has."""
    try:
        if standby := _standby_ledger(context):
            target, seen = standby
            copy_record(context.cloud.client_records, target, client, seen)
    except _FAILED as error:
        return _text_of(error)
    return ""


def _standby_ledger(context: Context) -> tuple[ClientRecords, ReadAssignment] | None:
    """Return the records and the assignment in the standby region's ledger; None without that region.

    Raises:
        Refused: a failover has made that region's records those in force.
    """
    if context.standby_region is None:
        return None
    client, table = context.cloud.client_in("dynamodb", context.standby_region), context.cloud.settings["LEDGER_TABLE"]
    seen = FailoverStore(client, table).read_assignment()
    _refuse_records_not_in_force(context, seen.assignment)
    return ClientRecords(client, table), seen


def _refuse_outdated_settings(context: Context) -> None:
    """Refuse settings whose region has not the records in force: a working copy from before a failover, or after one.

    Raises:
        Refused: the assignment says so.
    """
    failover = context.environment.failover
    if failover is None or context.environment.standby:
        return
    here = failover.region == context.environment.region
    try:
        client = context.clients("dynamodb") if here else context.cloud.brief_client_in("dynamodb", failover.region)
        assignment = FailoverStore(client, context.cloud.settings["LEDGER_TABLE"]).read_assignment().assignment
    except _FAILED:
        return  # An attacked client is disabled all the same. The copy needs that region, too, and reports it.
    _refuse_records_not_in_force(context, assignment)


def _refuse_records_not_in_force(context: Context, assignment: IssuingAssignment | None) -> None:
    region = context.environment.region
    if assignment is None or has_true_records(assignment, region):
        return
    other = assignment.region if assignment.active else "the other region"
    remedy = (
        f"by failover {assignment.failover or 'none'}, clients are changed in {other}: run it with the newest"
        " environments.toml, which names that region"
    )
    raise Refused(f"{context.name}.region", region, remedy)


def _text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _end_grants(context: Context, client_id: str, units_per_second: float, *, json: bool) -> EndedGrants:
    """End a client's grants until a pass finds none: a request in progress may create one during a pass."""
    tables = context.live_tables
    grants = ClientGrants(
        context.clients("dynamodb"),
        tables[Role.STATE],
        tables[Role.TOKENS],
        context.revocations_table,
        units_per_second=units_per_second,
    )
    cost = erasure_cost(grants.table_bytes(), units_per_second)
    screen = console()
    screen.quiet = json
    screen.print(
        f"ending grants: each of at least two passes reads {cost.read_units} units, about {cost.seconds} s",
        markup=False,
    )
    total = EndedGrants()
    for _ in range(MAX_PASSES):
        ended = grants.end_grants(client_id, int(context.cloud.now().timestamp()))
        total += ended
        if ended.is_empty:
            return total
    raise GrantsNotEnded(
        f"{client_id}: {_ended(total)}, but new ones kept appearing: check `orchestrator clients show`, and repeat the"
        " command"
    )


def _ended(ended: EndedGrants) -> str:
    return f"{ended.codes} codes and {ended.families} refresh token families were ended"


def _new_secret() -> str:
    return f"{SECRET_PREFIX}{secrets.token_urlsafe(SECRET_BYTES)}"


def _hash_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _print_secret(context: Context, client: ManagedClient, secret: str | None, *, json: bool) -> None:
    until = client.earlier_secret_until
    if json:
        shown = {} if secret is None else {"client_secret": secret}
        print_json({"environment": context.name, "client": public_record(client, context.cloud.now()), **shown})
        return
    screen = console()
    if secret is None:
        screen.print(f"{client.client_id} is added; it is public and has no secret", markup=False)
        return
    screen.print(f"{client.client_id}: the new secret, which is not stored and not shown again:", markup=False)
    screen.print(secret, markup=False, highlight=False, soft_wrap=True)
    if until is not None:
        screen.print(f"the earlier secret is accepted until {until:%Y-%m-%d %H:%M} UTC", markup=False)


def _print(
    context: Context, client: ManagedClient, message: str, *, json: bool, ended: EndedGrants | None = None
) -> None:
    if json:
        counts = {} if ended is None else {"ended": ended}
        print_json({"environment": context.name, "client": public_record(client, context.cloud.now()), **counts})
    else:
        console().print(message, markup=False)
