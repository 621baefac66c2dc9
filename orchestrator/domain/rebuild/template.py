"""What a stack's template says of the resources that outlive the stack, and the template that imports them. Pure.

CloudFormation facts that this relies on:

- A stack that is deleted leaves the resources whose DeletionPolicy is Retain or RetainExceptOnCreate. CreateStack fails
  for a resource whose name exists already.
- A change set of the type IMPORT creates a stack from existing resources. Its template may have no other resources, and
  each needs a DeletionPolicy. Importing changes nothing of the resources; the next update compares the template of the
  import with the new one, and applies only what differs.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.domain.errors import Refused

TABLES: Final = frozenset({"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"})
KEY: Final = "AWS::KMS::Key"
BUCKET: Final = "AWS::S3::Bucket"

NAMED: Final[Mapping[str, str]] = {
    "AWS::Backup::BackupVault": "BackupVaultName",
    BUCKET: "BucketName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""Property with the name, which is also the identifier of an import, by type."""

IDENTIFIERS: Final[Mapping[str, str]] = {**NAMED, KEY: "KeyId"}
"""The identifier by which a resource of a type is imported."""

_RETAINED: Final = frozenset({"Retain", "RetainExceptOnCreate"})
_OF_A_TABLE: Final = frozenset(
    {"TableName", "KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput", "SSESpecification"}
)
"""What a restore sets. All other settings of a restored table differ from the template, so the import leaves them out,
and the update applies them."""
_PSEUDO = "AWS::"
_KNOWN_FUNCTIONS: Final = frozenset({"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Base64"})


@dataclass(frozen=True)
class Retained:
    """A resource of a template that outlives its stack.

    Attributes:
        stack: the stack's name.
        logical_id: its id in the template.
        resource_type: its type, a key of `IDENTIFIERS`.
        name: its name; empty for a key, which has none.
    """

    stack: str
    logical_id: str
    resource_type: str
    name: str


def retained_resources(stack: str, template: Mapping[str, Any], *, account: str, region: str) -> tuple[Retained, ...]:
    """Return the resources of a template that outlive the stack and can be imported, in the template's order.

    Versions of functions and roles of API Gateway outlive it too. They have no names of their own, so the new stack
    creates others.

    Args:
        stack: the stack's name.
        template: the synthesised template.
        account: what the pseudo parameter for the account's id stands for.
        region: what the pseudo parameter for the region stands for.

    Raises:
        Refused: a name is computed from other resources, so it cannot be known before the stack exists.
    """
    found = []
    for logical_id, resource in template["Resources"].items():
        kind = resource["Type"]
        if resource.get("DeletionPolicy") not in _RETAINED or kind not in IDENTIFIERS:
            continue
        name = ""
        if kind in NAMED:
            value = resource.get("Properties", {}).get(NAMED[kind])
            name = _text(value, account=account, region=region)
            if not name:
                raise Refused(f"{stack}.{logical_id}", value, "its name must not depend on other resources")
        found.append(Retained(stack, logical_id, kind, name))
    return tuple(found)


def import_template(
    template: Mapping[str, Any], imported: Collection[str], restored: Collection[str]
) -> Mapping[str, Any]:
    """Return the template of an import: the imported resources, without what refers to resources that do not exist yet.

    Args:
        template: the synthesised template.
        imported: logical ids of the existing resources.
        restored: those of them that are restored tables.
    """
    resources = {}
    for logical_id in imported:
        resource = template["Resources"][logical_id]
        properties = {
            name: value
            for name, value in resource.get("Properties", {}).items()
            if (logical_id not in restored or name in _OF_A_TABLE)
            and all(reference in imported or reference.startswith(_PSEUDO) for reference in references(value))
        }
        kept = {key: resource[key] for key in ("Type", "DeletionPolicy", "UpdateReplacePolicy") if key in resource}
        resources[logical_id] = {**kept, "Properties": properties}
    return {"Resources": resources}


def references(value: Any) -> Iterator[str]:
    """Yield the resources and parameters that a value of a template refers to.

    A function whose result is unknown here yields its own name, which is no resource.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "Ref":
                yield str(inner)
            elif key == "Fn::GetAtt":
                yield str(inner).partition(".")[0] if isinstance(inner, str) else str(inner[0])
            elif key.startswith("Fn::") and key not in _KNOWN_FUNCTIONS:
                yield key
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def encryption_key_of(template: Mapping[str, Any], table: str) -> str:
    """Return the logical id of the key that encrypts a table; empty if none of the template's keys does."""
    properties = template["Resources"][table].get("Properties", {})
    for reference in references(properties.get("SSESpecification", {})):
        if template["Resources"].get(reference, {}).get("Type") == KEY:
            return reference
    return ""


def _text(value: object, *, account: str, region: str) -> str:
    """Return a name that is written out, or joined from texts and pseudo parameters; empty for any other."""
    match value:
        case str():
            return value
        case {"Ref": "AWS::AccountId"}:
            return account
        case {"Ref": "AWS::Region"}:
            return region
        case {"Fn::Join": [str(separator), list(parts)]}:
            texts = [_text(part, account=account, region=region) for part in parts]
            return separator.join(texts) if all(texts) else ""
    return ""
