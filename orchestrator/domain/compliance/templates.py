"""The templates of an environment's stacks, as the checks of controls read them.

A value that CloudFormation computes at the deployment, such as `{"Fn::GetAtt": …}`, counts as set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.compliance.result import NotApplicable, Result, Status, result_of_problem
from orchestrator.domain.doctor.result import listed


@dataclass(frozen=True)
class Expectations:
    """What the settings of the environment ask of its templates.

    Attributes:
        local: the environment is on the local cloud, which lacks some services.
        deletion_protection: data outlives its stack.
        customer_managed_keys: keys of the environment encrypt its data.
        boundary: every role has a permissions boundary.
        domain: the API has a domain name.
        network: the functions are in a VPC.
        copy_region: backups are copied to another region.
        evidence_lock: files of the evidence bucket cannot be changed or deleted early.
        backup_lock: backups cannot be deleted early.
        log_retention_days: how long logs are kept.
    """

    local: bool = False
    deletion_protection: bool = True
    customer_managed_keys: bool = True
    boundary: bool = False
    domain: bool = True
    network: bool = False
    copy_region: bool = True
    evidence_lock: bool = True
    backup_lock: bool = True
    log_retention_days: int = 365


@dataclass(frozen=True)
class Resource:
    """A resource of a stack.

    Attributes:
        name: its logical id.
        properties: as the template has them.
    """

    stack: str
    name: str
    kind: str
    properties: Mapping[str, Any]

    def get(self, *path: str) -> Any:
        """Return a property by its path; None without it."""
        value: Any = self.properties
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class Subject:
    """The templates of an environment, and what its settings ask of them."""

    resources: tuple[Resource, ...]
    expected: Expectations

    def of_kind(self, kind: str) -> tuple[Resource, ...]:
        """Return the resources of a type."""
        return tuple(resource for resource in self.resources if resource.kind == kind)

    def required(self, kind: str) -> tuple[Resource, ...]:
        """Return the resources of a type that every environment in an account has.

        Raises:
            NotApplicable: the local cloud has none.
        """
        found = self.of_kind(kind)
        if not found and self.expected.local:
            raise NotApplicable(f"the local cloud has no {kind}")
        return found

    def optional(self, kind: str) -> tuple[Resource, ...]:
        """Return the resources of a type.

        Raises:
            NotApplicable: there is none.
        """
        found = self.of_kind(kind)
        if not found:
            raise NotApplicable(f"there is no {kind}")
        return found


TemplateCheck = Callable[[Subject], str]
"""Returns what is wrong; empty if nothing is. Raises NotApplicable."""
FindProblem = Callable[[Resource], bool]
"""Returns whether a resource does not meet the requirement."""


def subject_of(templates: Mapping[str, Mapping[str, Any]], expected: Expectations) -> Subject:
    """Return the subject of the checks. templates: by the name of their stack, decoded."""
    resources = [
        Resource(stack, name, str(resource.get("Type", "")), resource.get("Properties") or {})
        for stack, template in sorted(templates.items())
        for name, resource in (template.get("Resources") or {}).items()
    ]
    return Subject(tuple(resources), expected)


def run_template_checks(checks: Mapping[str, TemplateCheck], subject: Subject) -> list[Result]:
    """Return one result a check. Without any resource nothing is checked."""
    if not subject.resources:
        remedy = "name a folder that npx cdk synth wrote: --assembly FOLDER"
        return [Result(control, Status.NOT_CHECKED, "no template has a resource", remedy) for control in checks]
    return [_result(control, check, subject) for control, check in checks.items()]


def _result(control: str, check: TemplateCheck, subject: Subject) -> Result:
    try:
        return result_of_problem(control, check(subject))
    except NotApplicable as error:
        return Result(control, Status.NOT_APPLICABLE, str(error))


def every(kind: str, wrong: FindProblem) -> TemplateCheck:
    """Return a check that all resources of a type meet a requirement; it does not apply without one."""
    return lambda subject: problem_of(subject.optional(kind), wrong)


def every_required(kind: str, wrong: FindProblem) -> TemplateCheck:
    """Return a check that there is a resource of a type, and that all meet a requirement."""

    def check(subject: Subject) -> str:
        found = subject.required(kind)
        return problem_of(found, wrong) if found else f"there is no {kind}"

    return check


def problem_of(resources: Sequence[Resource], wrong: FindProblem) -> str:
    """Return which resources do not meet a requirement; empty if all do."""
    failing = [resource.name for resource in resources if wrong(resource)]
    return f"{len(failing)} of {len(resources)}: {listed(failing)}" if failing else ""


def is_true(value: object) -> bool:
    """Return whether a property is true; CloudFormation accepts text as well."""
    return value is True or str(value).lower() == "true"


def statements(document: object) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a policy document."""
    if not isinstance(document, Mapping):
        return
    listed_statements = document.get("Statement", ())
    if isinstance(listed_statements, Mapping):
        listed_statements = (listed_statements,)
    yield from (statement for statement in listed_statements if isinstance(statement, Mapping))


def as_list(value: object) -> list[Any]:
    """Return the entries of a value that may be one or a list of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def iam_statements(subject: Subject) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    """Yield the statements that grant or deny something to an identity, with their resource."""
    for resource in subject.resources:
        if resource.kind in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            documents = [resource.get("PolicyDocument")]
        elif resource.kind == "AWS::IAM::Role":
            documents = [policy.get("PolicyDocument") for policy in as_list(resource.get("Policies"))]
        else:
            continue
        for document in documents:
            for statement in statements(document):
                yield resource, statement


def text_of(value: object) -> str:
    """Return a property as text, in which names can be found."""
    return json.dumps(value, sort_keys=True, allow_nan=False)
