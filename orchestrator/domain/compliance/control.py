"""A control: one requirement of a framework, its source, and who answers for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.errors import Refused


class Framework(StrEnum):
    """The source of a group of controls."""

    OAUTH = "oauth"
    INFRASTRUCTURE = "infrastructure"
    DATA_PROTECTION = "data-protection"
    PRACTICES = "practices"


class Severity(StrEnum):
    """How urgent a failing control is, in the words of AWS Security Hub."""

    CRITICAL = "critical"  # act now: an attacker could use it
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Owner(StrEnum):
    """Who answers for a control: an audience of `[….contacts]`."""

    OPERATORS = "operators"
    SECURITY = "security"


class Method(StrEnum):
    """How a control is checked."""

    HTTP = "request to the issuer"
    TEMPLATE = "CloudFormation template"
    READING = "reading of the environment"


SEVERITY_ORDER = tuple(Severity)


@dataclass(frozen=True)
class Control:
    """One requirement.

    Attributes:
        id: stable, in lower case with hyphens; a report names the control by it.
        requirement: one sentence that is true when the control passes.
        source: the section of an RFC, the NIST 800-53 control or the AWS FSBP id.
        remedy: what to do when it fails.
    """

    id: str
    framework: Framework
    requirement: str
    source: str
    method: Method
    severity: Severity
    owner: Owner
    remedy: str


def choose_frameworks(names: Iterable[str]) -> tuple[Framework, ...]:
    """Return the frameworks of these names; all of them without a name.

    Raises:
        Refused: there is no framework of a name.
    """
    chosen = list(dict.fromkeys(names))
    known = [str(framework) for framework in Framework]
    for name in chosen:
        if name not in known:
            raise Refused("--framework", name, f"name one of {', '.join(known)}")
    return tuple(framework for framework in Framework if not chosen or framework in chosen)
