"""What a person or a pipeline may ask for when it starts a deployment, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import CHECKLIST, DeliveryPolicy

ANY_RELEASE = ""
"""Ship whatever `$LATEST` holds."""

FIELDS = ("release", "strategy", "checklist", "requested_by", "idempotency_key", "force", "changes_items", "cut_over")
EXAMPLE = '{"release": "sha256:…", "strategy": "canary-10-50", "requested_by": "you"}'


@dataclass(frozen=True)
class DeploymentRequest:
    """The input of a deployment, checked.

    Attributes:
        release: the digest that `$LATEST` must have, or ANY_RELEASE.
        strategy: as given: nothing, a name, or an inline table.
        checklist: item to a reference to its evidence.
        force: ship a release that was rolled back before.
        changes_items: the release changes what it keeps in the tables, so a backup is made first.
        cut_over: the restore whose tables the service is to use from now on; empty for a release.
    """

    release: str
    strategy: object
    requested_by: str
    checklist: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    changes_items: bool = False
    cut_over: str = ""


def read_request(given: Mapping[str, object], policy: DeliveryPolicy) -> DeploymentRequest:
    """Check a deployment's input.

    Raises:
        Refused: names the field, the value and what would be right.
    """
    for key in given:
        if key not in FIELDS:
            raise Refused(key, given[key], f"remove it; known fields are {', '.join(FIELDS)}")
    recovery = _cut_over(given)
    return DeploymentRequest(
        release=_release(given.get("release")),
        strategy={"type": "all-at-once"} if recovery else given.get("strategy"),
        requested_by=_text(given, "requested_by"),
        # What speaks for a cut-over is the restore's own findings.
        checklist={} if recovery else _checklist(given.get("checklist"), policy),
        force=_flag(given, "force"),
        changes_items=_flag(given, "changes_items"),
        cut_over=recovery,
    )


def _cut_over(given: Mapping[str, object]) -> str:
    value = given.get("cut_over", "")
    if not isinstance(value, str):
        raise Refused("cut_over", value, "give the id of a restore that `orchestrator history` lists, or leave it out")
    if value and given.get("strategy") is not None:
        remedy = "leave it out: two tables at once would split what is written, so a cut-over is all at once"
        raise Refused("strategy", given["strategy"], remedy)
    return value


def _release(given: object) -> str:
    if given is None:
        return ANY_RELEASE
    if not isinstance(given, str) or not (given == ANY_RELEASE or given.startswith("sha256:")):
        raise Refused("release", given, "give the digest that `orchestrator status` prints, or leave it out")
    return given


def _text(given: Mapping[str, object], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Refused(key, value, f"say who asks, such as {EXAMPLE}")
    return value


def _flag(given: Mapping[str, object], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise Refused(key, value, "give true or false")
    return value


def _checklist(given: object, policy: DeliveryPolicy) -> Mapping[str, str]:
    table = {} if given is None else given
    if not isinstance(table, Mapping):
        raise Refused("checklist", given, f"give a table from {', '.join(CHECKLIST)} to references of evidence")
    for key, value in table.items():
        if key not in CHECKLIST:
            raise Refused(f"checklist.{key}", value, f"remove it; known items are {', '.join(CHECKLIST)}")
        if not isinstance(value, str) or not value.strip():
            raise Refused(f"checklist.{key}", value, "give a reference to its evidence, such as an address")
    missing = [item for item in policy.checklist if item not in table]
    if missing:
        raise Refused("checklist", sorted(table), f"this environment also wants evidence of {', '.join(missing)}")
    return dict(table)
