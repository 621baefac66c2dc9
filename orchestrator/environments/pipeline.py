"""Settings of the GitHub pipeline that deploys to an environment without stored credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.domain.schema import SettingsReader

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+(?:/[A-Za-z0-9._-]+|@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]+")
_PROVIDER = re.compile(r"arn:aws:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com")


@dataclass(frozen=True)
class PipelineSettings:
    """The GitHub repository, and the one environment of it, whose jobs may deploy here.

    Attributes:
        repository: ``OWNER/NAME``, or ``OWNER@ID/NAME@ID`` where the subjects of its tokens have the ids: the default
            of repositories that were created, renamed or transferred since 2026-07-15
            (https://docs.github.com/en/actions/reference/openid-connect-reference#immutable-subject-claims).
        github_environment: the repository's environment; its reviewers approve each job.
        provider: ARN of the account's OIDC provider for GitHub; None creates it. An account has at most one.
    """

    repository: str
    github_environment: str
    provider: str | None


def read_pipeline(table: SettingsReader) -> PipelineSettings:
    """Read the table ``[….pipeline]``."""
    pipeline = PipelineSettings(
        repository=table.text(
            "repository",
            matching=_REPOSITORY,
            remedy="give OWNER/NAME or OWNER@ID/NAME@ID, as its tokens have it, without a pattern",
        ),
        github_environment=table.text(
            "github_environment",
            matching=_ENVIRONMENT,
            remedy="give the name of one environment of the repository, without a pattern",
        ),
        provider=table.optional_text(
            "provider", matching=_PROVIDER, remedy="give the ARN of the account's OIDC provider for GitHub"
        ),
    )
    table.refuse_unknown_keys()
    return pipeline
