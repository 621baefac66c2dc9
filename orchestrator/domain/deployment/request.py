"""The input of a deployment, as an operator or a pipeline gives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.deployment.policy import CHECKLIST, DeliveryPolicy
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import deployment_id
from orchestrator.domain.printable import is_encodable
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.texts import MAX_ARN, MAX_CHANGELOG, MAX_NAME, MAX_REASON, MAX_REFERENCE

ANY_RELEASE = ""
"""Deploy the current content of `$LATEST`. A request for it has no `release`; an empty one is refused."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

EXAMPLE = '{"release": "sha256:…", "strategy": "canary-10-50", "requested_by": "you"}'


@dataclass(frozen=True)
class DeploymentRequest:
    """The input of a deployment, checked.

    Attributes:
        release: the digest that `$LATEST` must have, or ANY_RELEASE.
        strategy: as given: None, a name, or an inline table.
        checklist: item to a reference to its evidence.
        force: deploy a release that was rolled back before.
        schema_change: the release changes the schema of its items, so a backup is made first.
        cutover: id of the restore whose tables the service is to use; empty for a release.
        outside_calendar: the operator's reason to deploy while the calendar is closed; empty if there is none.
        changelog: what changes for clients, who get it if the deployment succeeds; empty for the general text.
        requested_as: the ARN by STS of the requester's credentials, as the command line gives it; empty if it is not
            known, as in the local cloud or for an execution that another program started.
    """

    release: str
    strategy: object
    requested_by: str
    checklist: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    schema_change: bool = False
    cutover: str = ""
    outside_calendar: str = ""
    changelog: str = ""
    requested_as: str = ""


def read_deployment_request(document: Mapping[str, object], policy: DeliveryPolicy) -> DeploymentRequest:
    """Check a deployment's input.

    Raises:
        Refused: a field is wrong. The error names the field, the value and the remedy.
    """
    fields = SettingsReader("", document, Refused)
    _check_key(fields)
    strategy, checklist = fields.take("strategy"), fields.take("checklist")
    cutover = _cutover(fields, strategy)
    request = DeploymentRequest(
        release=_release(fields),
        strategy={"type": "all-at-once"} if cutover else strategy,
        requested_by=fields.text("requested_by", remedy=f"name the requester, such as {EXAMPLE}", at_most=MAX_NAME),
        # The check results of the restore are the evidence for a cutover.
        checklist={} if cutover else _checklist(fields, checklist, policy),
        force=fields.flag("force", default=False),
        schema_change=fields.flag("schema_change", default=False),
        cutover=cutover,
        outside_calendar=_outside_calendar(fields),
        changelog=_changelog(fields),
        requested_as=_requested_as(fields),
    )
    fields.refuse_unknown_keys()
    return request


def _check_key(fields: SettingsReader) -> None:
    """Check the key, which the name of the execution carries already (orchestrator/domain/identifiers.py)."""
    key = fields.take("idempotency_key")
    if key is None:
        return
    if not isinstance(key, str | int):
        raise fields.refused("idempotency_key", key, "give a text or a whole number, or omit it")
    deployment_id(str(key))


def _cutover(fields: SettingsReader, strategy: object) -> str:
    restore = fields.take("cutover")
    if restore is None:
        return ""
    # An empty text is a variable that a pipeline did not set, not a decision for a release.
    valid = isinstance(restore, str) and restore.strip() and len(restore) <= MAX_NAME and is_encodable(restore)
    if not isinstance(restore, str) or not valid:
        raise fields.refused("cutover", restore, "give the id of a restore from `orchestrator history`, or omit it")
    if strategy is not None:
        remedy = "omit it: a cutover is always all at once, because gradual shifts would split writes between tables"
        raise fields.refused("strategy", strategy, remedy)
    return restore


def _outside_calendar(fields: SettingsReader) -> str:
    if "outside_calendar" not in fields:
        return ""
    remedy = "say why the deployment cannot wait until the calendar opens, or omit it"
    return fields.text("outside_calendar", remedy=remedy, at_most=MAX_REASON)


def _requested_as(fields: SettingsReader) -> str:
    if "requested_as" not in fields:
        return ""
    return fields.text("requested_as", remedy="give the ARN of the caller by STS, or omit it", at_most=MAX_ARN)


def _changelog(fields: SettingsReader) -> str:
    if "changelog" not in fields:
        return ""
    remedy = "say what changes for clients, or omit it: they get a general text"
    return fields.text("changelog", remedy=remedy, at_most=MAX_CHANGELOG)


def _release(fields: SettingsReader) -> str:
    release = fields.take("release")
    if release is None:
        return ANY_RELEASE
    if not isinstance(release, str) or not _DIGEST.fullmatch(release):
        remedy = "give the digest from `orchestrator status`, sha256: and 64 hexadecimal digits, or omit it"
        raise fields.refused("release", release, remedy)
    return release


def _checklist(fields: SettingsReader, value: object, policy: DeliveryPolicy) -> Mapping[str, str]:
    table = {} if value is None else value
    if not isinstance(table, Mapping):
        raise fields.refused("checklist", value, f"give a table from {', '.join(CHECKLIST)} to references of evidence")
    items = SettingsReader("checklist", table, Refused)
    remedy = "give a reference to its evidence, such as an address"
    checklist = {item: items.text(item, remedy=remedy, at_most=MAX_REFERENCE) for item in CHECKLIST if item in items}
    unknown = sorted(table.keys() - set(CHECKLIST))
    if unknown:
        raise items.refused(unknown[0], table[unknown[0]], f"remove it; known items are {', '.join(CHECKLIST)}")
    missing = [item for item in policy.checklist if item not in checklist]
    if missing:
        raise fields.refused("checklist", sorted(checklist), f"this environment also requires {', '.join(missing)}")
    return checklist
