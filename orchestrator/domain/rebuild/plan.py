"""The plan of a rebuild: from what an emptied environment still has to the steps that bring it back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from orchestrator.domain.configuration.normalization import redact
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.template import KEY, TABLES, Retained, encryption_key_of, retained_resources
from orchestrator.domain.recovery.backup_times import Backup

_VARIABLES: Final = ("STATE_TABLE", "TOKENS_TABLE")
"""Variables of functions with the tables in use, which are others than the stack's after a restore."""
_TOKENS: Final = "TOKENS_TABLE"


class KeyState(StrEnum):
    """The states of a KMS key that a rebuild knows what to do about."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"


class TableSource(StrEnum):
    """Where a table's items come from."""

    RETAINED = "retained"
    BACKUP = "backup"
    EMPTY = "created empty"


@dataclass(frozen=True)
class FoundKey:
    """A key that a deleted stack left.

    Attributes:
        key_id: its id.
        arn: its ARN.
        state: of KMS.
    """

    key_id: str
    arn: str
    state: str


@dataclass(frozen=True)
class Found:
    """What the account still has of an environment.

    Attributes:
        stacks: the status of each stack that exists, by name.
        keys: keys that deleted stacks left, by stack and logical id.
        names: the names that exist, by resource type, without tables.
        tables: the status of each table that exists, by name.
        backups: the backups of each table that does not exist, by name.
    """

    stacks: Mapping[str, str]
    keys: Mapping[tuple[str, str], tuple[FoundKey, ...]]
    names: Mapping[str, Collection[str]]
    tables: Mapping[str, str]
    backups: Mapping[str, Sequence[Backup]]


@dataclass(frozen=True)
class PlannedTable:
    """How one table comes back.

    Attributes:
        name: its name.
        source: where its items come from.
        backup_arn: the backup; empty for another source.
        content_at: the time of the backup's content; None for another source.
        key_arn: the key that encrypts it; empty for DynamoDB's own.
        ends_logins: the restored tokens may be revoked ones, so all of them end.
    """

    name: str
    source: TableSource
    backup_arn: str = ""
    content_at: datetime | None = None
    key_arn: str = ""
    ends_logins: bool = False


@dataclass(frozen=True)
class Import:
    """An existing resource that a new stack takes over.

    Attributes:
        logical_id: its id in the template.
        resource_type: its type.
        identifier: its name, or a key's id.
        restored: it is a restored table, whose settings the update applies.
    """

    logical_id: str
    resource_type: str
    identifier: str
    restored: bool = False


@dataclass(frozen=True)
class PlannedStack:
    """How one stack comes back: by an import of what exists and an update, or by its creation if nothing does."""

    name: str
    imports: tuple[Import, ...]


@dataclass(frozen=True)
class RebuildPlan:
    """The steps of a rebuild, in their order: keys, tables, stacks.

    Attributes:
        id: of the rebuild.
        environment: its name.
        snapshot: id of the configuration snapshot that the result is compared with.
        snapshot_key: its object in the evidence bucket.
        snapshot_sha256: the digest of its bytes.
        assembly: digest of the assembly's templates.
        keys: the ids of keys whose deletion is cancelled, or that are enabled.
        tables: the tables.
        stacks: the stacks, each after those that it depends on.
        notes: what is lost, one sentence each.
    """

    id: str
    environment: str
    snapshot: str
    snapshot_key: str
    snapshot_sha256: str
    assembly: str
    keys: tuple[str, ...]
    tables: tuple[PlannedTable, ...]
    stacks: tuple[PlannedStack, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """What a rebuild starts from.

    Attributes:
        id: of the rebuild.
        account, region: of the environment.
        snapshot: the configuration before the loss.
        snapshot_id, snapshot_key, snapshot_sha256: where it is.
        templates: the assembly's templates by stack, each stack after those that it depends on.
        assembly: digest of the templates.
        empty: tables that may be created empty.
    """

    id: str
    account: str
    region: str
    snapshot: ConfigurationSnapshot
    snapshot_id: str
    snapshot_key: str
    snapshot_sha256: str
    templates: Mapping[str, Mapping[str, Any]]
    assembly: str
    empty: Collection[str] = ()


def tables_of(sources: Sources) -> frozenset[str]:
    """Return the names of the tables that a rebuild has to know of: the stacks' own, and those that functions use."""
    own = {
        resource.name
        for stack, template in sources.templates.items()
        for resource in retained_resources(stack, template, account=sources.account, region=sources.region)
        if resource.resource_type in TABLES
    }
    return frozenset(own | {name for template in sources.templates.values() for name in _variables(template).values()})


def refuse_other_assembly(snapshot: ConfigurationSnapshot, templates: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse an assembly that is not the one that was deployed when the snapshot was taken.

    Raises:
        Refused: a template differs from the snapshot's, or a stack of the snapshot has none.
    """
    deployed = {part.name: part.facts.get("template") for part in snapshot.parts if part.kind == "stack"}
    if not deployed:
        raise Refused("--snapshot", f"{snapshot.taken_at:%Y-%m-%d %H:%M}", "it has no stacks: name an earlier one")
    other = [name for name, digest in sorted(deployed.items()) if redact("template", templates.get(name)) != digest]
    if other:
        remedy = (
            "it is not what was deployed when the snapshot was taken: name that release's assembly "
            "(build/releases/RELEASE/assemblies/ENV), or the snapshot that belongs to this one with --snapshot"
        )
        raise Refused("--assembly", ", ".join(other), remedy)


def plan_rebuild(sources: Sources, found: Found) -> RebuildPlan:
    """Plan a rebuild.

    Raises:
        Refused: the environment is not emptied, the assembly is another one, or something that is needed is gone.
    """
    _refuse_stacks(sources.templates, found)
    refuse_other_assembly(sources.snapshot, sources.templates)
    retained = [
        resource
        for stack, template in sources.templates.items()
        for resource in retained_resources(stack, template, account=sources.account, region=sources.region)
    ]
    keys = {
        (resource.stack, resource.logical_id): key
        for resource in retained
        if resource.resource_type == KEY and (key := _key_of(resource, found))
    }
    tables = {
        (resource.stack, resource.logical_id): _plan_table(resource, sources, found, keys)
        for resource in retained
        if resource.resource_type in TABLES
    }
    _refuse_tables_of_a_restore(sources.templates, found, [table.name for table in tables.values()])
    stacks = tuple(
        PlannedStack(stack, _imports_of(stack, retained, found, keys, tables)) for stack in sources.templates
    )
    return RebuildPlan(
        id=sources.id,
        environment=sources.snapshot.environment,
        snapshot=sources.snapshot_id,
        snapshot_key=sources.snapshot_key,
        snapshot_sha256=sources.snapshot_sha256,
        assembly=sources.assembly,
        keys=tuple(sorted(key.key_id for key in keys.values() if key.state != KeyState.ENABLED)),
        tables=tuple(tables.values()),
        stacks=stacks,
        notes=tuple(_notes(retained, keys, tables.values())),
    )


def _refuse_stacks(templates: Mapping[str, Any], found: Found) -> None:
    existing = [f"{name} ({found.stacks[name]})" for name in templates if name in found.stacks]
    if existing:
        remedy = (
            "only an environment whose stacks are deleted is rebuilt. Deploy an existing one with `npx cdk deploy`; "
            "`orchestrator remove-failed-stacks` removes stacks whose creation failed"
        )
        raise Refused("stacks", ", ".join(existing), remedy)


def _key_of(resource: Retained, found: Found) -> FoundKey | None:
    candidates = found.keys.get((resource.stack, resource.logical_id), ())
    usable = [key for key in candidates if key.state != KeyState.PENDING_DELETION] or list(candidates)
    if len(usable) > 1:
        remedy = "several keys of earlier stacks fit: schedule the deletion of those that encrypt nothing, and repeat"
        raise Refused(f"{resource.stack}.{resource.logical_id}", ", ".join(key.key_id for key in usable), remedy)
    if usable and usable[0].state not in set(KeyState):
        remedy = f"its state is {usable[0].state}: only KMS can make it usable again, or a restore without it"
        raise Refused(f"{resource.stack}.{resource.logical_id}", usable[0].key_id, remedy)
    return usable[0] if usable else None


def _plan_table(
    resource: Retained, sources: Sources, found: Found, keys: Mapping[tuple[str, str], FoundKey]
) -> PlannedTable:
    logical_key = encryption_key_of(sources.templates[resource.stack], resource.logical_id)
    key = keys.get((resource.stack, logical_key))
    if status := found.tables.get(resource.name):
        _refuse_unusable(resource, status, keys, key)
        return PlannedTable(resource.name, TableSource.RETAINED, key_arn=key.arn if key else "")
    backups = sorted(found.backups.get(resource.name, ()), key=lambda backup: (backup.at, backup.of_deleted_table))
    if backups and (key or not logical_key):
        newest = backups[-1]
        return PlannedTable(
            resource.name,
            TableSource.BACKUP,
            backup_arn=newest.arn,
            content_at=newest.at,
            key_arn=key.arn if key else "",
            ends_logins=resource.name == _tokens_table(sources.templates) and not newest.of_deleted_table,
        )
    if resource.name in sources.empty:
        return PlannedTable(resource.name, TableSource.EMPTY)
    why = "the key of its backups is gone" if backups else "it has no backup"
    remedy = (
        f"it does not exist, and {why}. If it was deleted a moment ago, repeat in a minute. Recovery points of AWS "
        "Backup are restored under this name first (docs/runbooks/rebuild.md). --create-empty creates it without items"
    )
    raise Refused("tables", resource.name, remedy)


def _refuse_unusable(
    resource: Retained, status: str, keys: Mapping[tuple[str, str], FoundKey], key: FoundKey | None
) -> None:
    """Refuse a table that cannot be used. Without its key it can be again as soon as the key is."""
    waits_for_key = key is not None and key.state != KeyState.ENABLED and status.startswith("INACCESSIBLE")
    if status == "ACTIVE" or waits_for_key:
        return
    remedy = f"its status is {status}: repeat when it is ACTIVE"
    if status.startswith("INACCESSIBLE"):
        remedy = f"its status is {status}, and none of the {len(keys)} keys that were left is the one that encrypts it"
    raise Refused("tables", resource.name, remedy)


def _refuse_tables_of_a_restore(
    templates: Mapping[str, Mapping[str, Any]], found: Found, planned: Collection[str]
) -> None:
    """Refuse if the service uses tables of a restore, which no stack has, and they are gone."""
    in_use = {name for template in templates.values() for name in _variables(template).values()}
    gone = sorted(name for name in in_use if name not in planned and name not in found.tables)
    if gone:
        remedy = (
            "the service uses it since a restore, no stack has it, and it does not exist: restore it under this name "
            "from its backup first (docs/runbooks/rebuild.md)"
        )
        raise Refused("tables", ", ".join(gone), remedy)


def _tokens_table(templates: Mapping[str, Mapping[str, Any]]) -> str:
    return next((used[_TOKENS] for template in templates.values() if _TOKENS in (used := _variables(template))), "")


def _variables(template: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the names of the tables in use that the variables of a template's functions write out."""
    found: dict[str, str] = {}
    for resource in template["Resources"].values():
        variables = resource.get("Properties", {}).get("Environment", {})
        if isinstance(variables, Mapping):
            values = variables.get("Variables", {})
            found |= {name: values[name] for name in _VARIABLES if isinstance(values.get(name), str)}
    return found


def _imports_of(
    stack: str,
    retained: Sequence[Retained],
    found: Found,
    keys: Mapping[tuple[str, str], FoundKey],
    tables: Mapping[tuple[str, str], PlannedTable],
) -> tuple[Import, ...]:
    imports = []
    for resource in retained:
        place = resource.stack, resource.logical_id
        if resource.stack != stack:
            continue
        table = tables.get(place)
        if table is not None:
            exists, identifier = table.source is not TableSource.EMPTY, table.name
        elif resource.resource_type == KEY:
            exists, identifier = place in keys, keys[place].key_id if place in keys else ""
        else:
            exists, identifier = resource.name in found.names.get(resource.resource_type, ()), resource.name
        if exists:
            restored = table is not None and table.source is TableSource.BACKUP
            imports.append(Import(resource.logical_id, resource.resource_type, identifier, restored))
    return tuple(imports)


def _notes(
    retained: Sequence[Retained], keys: Mapping[tuple[str, str], FoundKey], tables: Collection[PlannedTable]
) -> list[str]:
    notes = [
        f"{resource.stack}.{resource.logical_id}: the key is gone, a new one is created; what it encrypted or signed is lost"
        for resource in retained
        if resource.resource_type == KEY and (resource.stack, resource.logical_id) not in keys
    ]
    for table in tables:
        if table.source is TableSource.EMPTY:
            notes.append(f"{table.name}: its items are lost")
        if table.ends_logins:
            notes.append(f"{table.name}: its backup is older than its end, so every login and token of before ends")
    return notes
