"""Who ships to an environment from GitHub, without a stored key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.tables import Table

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]+")
_PROVIDER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com")


@dataclass(frozen=True)
class PipelineSettings:
    """The one repository and the one of its environments whose jobs may ship here.

    Attributes:
        repository: ``OWNER/NAME``.
        github_environment: of the repository; its reviewers are asked before a job gets a token for it.
        provider: ARN of the account's OIDC provider, of which an account has one; None makes it.
    """

    repository: str
    github_environment: str
    provider: str | None


def read_pipeline(table: Table) -> PipelineSettings:
    """Take the pipeline."""
    pipeline = PipelineSettings(
        repository=table.text("repository", matching=_REPOSITORY, remedy="give OWNER/NAME, whole: no patterns"),
        github_environment=table.text(
            "github_environment", matching=_ENVIRONMENT, remedy="name one environment of the repository, whole"
        ),
        provider=table.optional_text(
            "provider", matching=_PROVIDER, remedy="give the ARN of the account's provider for GitHub's tokens"
        ),
    )
    table.end()
    return pipeline
