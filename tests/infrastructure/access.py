"""Generate docs/reference/access.md: which principal can access which table, key and alias, by production's templates.

``python -m tests.infrastructure.access`` writes the page; `test_access.py` compares it with the templates. Policies are
read as IAM reads them: a statement applies to a resource if one of its ARNs, with asterisks as wildcards, matches. The
page shows conditions and does not evaluate them. A Deny has its own row.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from orchestrator import environments

PAGE = Path(environments.settings_file()).parent / "docs" / "reference" / "access.md"
KINDS = {"AWS::DynamoDB::Table": "table", "AWS::KMS::Key": "key", "AWS::Lambda::Alias": "alias"}
ENVIRONMENT = "prod"
_SIGNING_TAG = "aws:ResourceTag/ib-oauth:signing-key"
_INTRODUCTION = """# Access to tables, keys and aliases

For security reviewers. After this page you know which principal can access which table, KMS key and
Lambda alias, and under which condition.

Generated from the templates of `prod` by `python -m tests.infrastructure.access`. The other
environments differ only in names. `tests/infrastructure/test_access.py` compares this page with the
templates. Names are shown without `ib-oauth-` and `-prod`.

In addition, administrators of the account have the access that IAM grants them, unless a key policy
denies it. CloudTrail records each such action ([monitoring](../guides/monitoring.md)).

The column "only" shows the conditions of a policy: partition keys of a table's items, the service
through which a key is used, the encryption context, or a key's tag.
"""


@dataclass(frozen=True)
class Thing:
    """A table, key or alias. `names` are the ARNs and references by which policies name it."""

    kind: str
    name: str
    names: frozenset[str]


@dataclass(frozen=True)
class Access:
    """One principal's actions on one table, key or alias."""

    thing: Thing
    who: str
    effect: str
    actions: tuple[str, ...]
    only: str


class Templates:
    """The templates of one environment, with cross-stack references resolved."""

    def __init__(self, templates: Mapping[str, Mapping[str, Any]]) -> None:
        self._templates = templates
        self._exports = {
            output["Export"]["Name"]: self._text(stack, output["Value"])
            for stack, template in templates.items()
            for output in template.get("Outputs", {}).values()
            if isinstance(output.get("Export", {}).get("Name"), str)
        }

    def resources(self, *kinds: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Stack, logical id and properties of every resource of these types."""
        for stack, template in self._templates.items():
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] in kinds:
                    yield stack, logical_id, resource.get("Properties", {})

    def text(self, stack: str, value: Any) -> str:
        """Return a value as text: a reference is `<stack/id>` or `<stack/id.Arn>`, in every template."""
        return self._text(stack, value)

    def texts(self, stack: str, values: Any) -> set[str]:
        """Return one value or several as texts."""
        return {self._text(stack, one) for one in _listed(values)}

    def _text(self, stack: str, value: Any) -> str:
        match value:
            case str():
                return value
            case {"Fn::Join": ["", [*parts]]}:
                return "".join(self._text(stack, part) for part in parts)
            case {"Ref": str(name)}:
                return f"<{name}>" if name.startswith("AWS::") else f"<{stack}/{name}>"
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return f"<{stack}/{name}.{attribute}>"
            case {"Fn::ImportValue": str(name)}:
                return self._exports[name]
        raise AssertionError(f"no text: {value!r}")


def things(templates: Templates) -> list[Thing]:
    """All tables, keys and aliases."""
    aliases = {
        templates.text(stack, one["TargetKeyId"]): one["AliasName"]
        for stack, _, one in templates.resources("AWS::KMS::Alias")
    }
    functions = {
        templates.text(stack, {"Ref": logical_id}): one["FunctionName"]
        for stack, logical_id, one in templates.resources("AWS::Lambda::Function")
    }
    found = []
    for stack, logical_id, one in templates.resources("AWS::DynamoDB::Table"):
        arn = f"arn:<AWS::Partition>:dynamodb:us-west-1:<AWS::AccountId>:table/{one['TableName']}"
        found.append(Thing("table", _short(one["TableName"]), frozenset({f"<{stack}/{logical_id}.Arn>", arn})))
    for stack, logical_id, _ in templates.resources("AWS::KMS::Key"):
        arn = f"<{stack}/{logical_id}.Arn>"
        found.append(Thing("key", _short(aliases[arn].removeprefix("alias/")), frozenset({arn})))
    for stack, _, one in templates.resources("AWS::Lambda::Alias"):
        function = functions[templates.text(stack, one["FunctionName"])]
        arn = f"arn:<AWS::Partition>:lambda:us-west-1:<AWS::AccountId>:function:{function}:{one['Name']}"
        found.append(
            Thing("alias", f"{_short(function)}:{one['Name']}", frozenset({arn, *_alias_refs(templates, stack, one)}))
        )
    return sorted(found, key=lambda thing: (list(KINDS.values()).index(thing.kind), thing.name))


def _alias_refs(templates: Templates, stack: str, alias: Mapping[str, Any]) -> list[str]:
    return [
        f"<{stack}/{logical_id}>"
        for other, logical_id, one in templates.resources("AWS::Lambda::Alias")
        if other == stack and one == alias
    ]


def accesses(templates: Templates) -> list[Access]:
    """Every action that a principal is allowed or denied on a table, key or alias."""
    known = things(templates)
    found = [
        access
        for who, stack, statement in _statements(templates)
        for access in _of(templates, known, who, stack, statement)
    ]
    return found + _of_key_policies(templates, known) + _of_permissions(templates, known)


def _statements(templates: Templates) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    roles = {}
    for stack, logical_id, role in templates.resources("AWS::IAM::Role"):
        name = _short(role["RoleName"]) if "RoleName" in role else logical_id
        roles[f"<{stack}/{logical_id}>"] = name
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, stack, statement
    for stack, _, policy in templates.resources("AWS::IAM::Policy"):
        for role in policy.get("Roles", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield roles[templates.text(stack, role)], stack, statement


def _of(
    templates: Templates, known: Sequence[Thing], who: str, stack: str, statement: Mapping[str, Any]
) -> Iterator[Access]:
    patterns = [templates.text(stack, one) for one in _listed(statement["Resource"])]
    condition = statement.get("Condition", {})
    for thing in known:
        actions = tuple(sorted(_actions(thing, statement)))
        if actions and _covered(thing, patterns, condition):
            yield Access(thing, who, statement["Effect"], actions, _only(condition))


def _covered(thing: Thing, patterns: Sequence[str], condition: Mapping[str, Any]) -> bool:
    # A statement that names keys by the signing tag covers the signing keys only.
    by_tag = thing.kind == "key" and _SIGNING_TAG in str(condition)
    if by_tag and thing.name != "signing":
        return False
    every_key = thing.kind == "key" and any(pattern.endswith(":key/*") for pattern in patterns)
    return every_key or any(fnmatchcase(name, pattern) for pattern in patterns for name in thing.names)


_PREFIX = {"table": "dynamodb:", "key": "kms:", "alias": "lambda:"}
_KNOW_NO_THING = {
    "dynamodb:ListBackups", "dynamodb:ListTables", "kms:CreateKey", "kms:ListAliases", "kms:ListKeys", "kms:TagResource", "lambda:ListFunctions",
    "lambda:ListEventSourceMappings",
}  # fmt: skip
"""Actions that affect no existing table, key or alias."""


def _actions(thing: Thing, statement: Mapping[str, Any]) -> set[str]:
    actions = set(_listed(statement["Action"])) - _KNOW_NO_THING
    return {action.partition(":")[2] for action in actions if action.startswith(_PREFIX[thing.kind])}


def _of_key_policies(templates: Templates, known: Sequence[Thing]) -> list[Access]:
    found = []
    by_name = {name: thing for thing in known for name in thing.names}
    for stack, logical_id, key in templates.resources("AWS::KMS::Key"):
        thing = by_name[f"<{stack}/{logical_id}.Arn>"]
        for statement in key["KeyPolicy"]["Statement"]:
            principal = statement["Principal"]
            if statement["Effect"] == "Allow" and "AWS" in principal:
                who = templates.text(stack, principal["AWS"])
                assert who.endswith(":root"), f"the policy of the key {thing.name} allows {who}"
                continue  # the account's IAM policies decide
            names = [templates.text(stack, one) for one in _listed(principal.get("Service", []))] or ["every principal"]
            actions = tuple(sorted(action.partition(":")[2] for action in _listed(statement["Action"])))
            only = _only_text(templates, stack, statement.get("Condition", {}))
            found += [Access(thing, name, statement["Effect"], actions, only) for name in names]
    return found


def _of_permissions(templates: Templates, known: Sequence[Thing]) -> list[Access]:
    by_name = {name: thing for thing in known for name in thing.names}
    return [
        Access(by_name[name], one["Principal"], "Allow", (one["Action"].partition(":")[2],), "this API")
        for stack, _, one in templates.resources("AWS::Lambda::Permission")
        if (name := templates.text(stack, one["FunctionName"])) in by_name
    ]


def _only(condition: Mapping[str, Any]) -> str:
    said = []
    for test, operands in condition.items():
        for key, value in operands.items():
            values = ", ".join(f"`{one}`" for one in _listed(value) if isinstance(one, str))
            if key == "dynamodb:LeadingKeys":
                said.append(f"items {values}")
            elif key == "kms:ViaService":
                said.append(f"through {values.partition('.')[0].strip('`')}")
            elif key == _SIGNING_TAG:
                said.append("by its tag")
            elif key.startswith("kms:EncryptionContext:"):
                said.append(f"context {key.removeprefix('kms:EncryptionContext:')}" + (f" {values}" if values else ""))
            else:
                said.append(f"{test} {key}")
    return "; ".join(said)


def _only_text(templates: Templates, stack: str, condition: Mapping[str, Any]) -> str:
    said = []
    for test, operands in condition.items():
        for key, value in operands.items():
            texts = [
                templates.text(stack, one).replace("<AWS::Partition>", "").replace("<AWS::AccountId>", "")
                for one in _listed(value)
            ]
            names = ", ".join(
                f"`{_short(text.rpartition('/')[2])}`" if "role/" in text else f"`{text}`" for text in texts
            )
            but = "but " if "Not" in test else ""
            said.append(
                {"aws:PrincipalArn": f"{but}{names}", "aws:SourceAccount": "this account's"}.get(
                    key, f"{but}{key.rpartition(':')[2]} {names}"
                )
            )
    return "; ".join(said)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _short(name: str) -> str:
    return name.removeprefix("ib-oauth-").removesuffix(f"-{ENVIRONMENT}")


def page(templates: Templates) -> str:
    """The page."""
    found = accesses(templates)
    lines = [_INTRODUCTION]
    for kind, title in (("table", "Tables"), ("key", "Keys"), ("alias", "Aliases")):
        lines += [f"## {title}", "", f"| {kind} | actions | only | principals |", "|---|---|---|---|"]
        for thing in (one for one in things(templates) if one.kind == kind):
            rows: dict[tuple[str, str, str], set[str]] = defaultdict(set)
            for access in found:
                if access.thing == thing:
                    denied = "**denied**: " if access.effect == "Deny" else ""
                    rows[denied + ", ".join(access.actions), access.only, access.effect].add(access.who)
            lines += [
                f"| {thing.name} | {actions} | {only} | {', '.join(sorted(who))} |"
                for (actions, only, _), who in sorted(rows.items())
            ] or [f"| {thing.name} | | | none |"]
        lines.append("")
    return "\n".join(lines)


def read(files: Sequence[Path]) -> Templates:
    """Read synthesised templates, by stack name."""
    return Templates({file.name.removesuffix(".template.json"): json.loads(file.read_bytes()) for file in files})


def main() -> None:
    """Write the page."""
    from tests.infrastructure.templates import synthesise

    with tempfile.TemporaryDirectory() as folder:
        one = synthesise(Path(folder), environments.load(ENVIRONMENT))
        PAGE.write_text(page(read(one.files)), encoding="utf-8")


if __name__ == "__main__":
    main()
