"""GitHub: a deployment with its statuses, and a commit status, for the commit that a release was built from.

Only deployments and rollbacks have a commit, and only if the release was built from a clean checkout. The deployment at
GitHub is found by its task, which has the id of ours, so a repeated attempt does not create a second one.
https://docs.github.com/en/rest/deployments/deployments, …/deployments/statuses, …/commits/statuses
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import EventKind, Notification, Transition
from orchestrator.domain.notifications.providers.requests import ProviderRequest, fitted, json_request, read_key
from orchestrator.domain.untrusted_json import decode_untrusted

DESCRIPTION = 140
"""Characters of a status's description."""

API_VERSION = "2022-11-28"
_SHA = re.compile(r"[0-9a-f]{40}")


def next_github_request(
    notification: Notification, destination: Destination, secret: str, answers: Sequence[bytes]
) -> ProviderRequest | None:
    """Return the next request: find the deployment, create it if there is none, then set both statuses.

    None after both, and for a notification that is about no deployment.

    Raises:
        SecretMalformed: the secret is no token.
        ValueError: an answer is not what GitHub documents.
    """
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {read_key(secret)}",
        "X-GitHub-Api-Version": API_VERSION,
    }
    repository = f"{destination.address}/repos/{destination.repository}"
    task = f"orchestrator:{notification.subject}"
    if notification.kind is EventKind.TEST:
        return None if answers else ProviderRequest(repository, b"", headers, method="GET")
    if not answers:
        query = urlencode({"task": task, "environment": notification.environment, "per_page": 1})
        first = ProviderRequest(f"{repository}/deployments?{query}", b"", headers, method="GET")
        return first if notification.subject else None
    found = decode_untrusted(answers[0])
    if not isinstance(found, list):
        raise ValueError("GitHub's list of deployments is no list")  # noqa: TRY004 - a value of another system
    if found:
        return _next_status(notification, found[0], answers[1:], repository, headers)
    if len(answers) > 1:
        return _next_status(notification, decode_untrusted(answers[1]), answers[2:], repository, headers)
    if not notification.commit:
        return None
    body = {
        "ref": notification.commit,
        "task": task,
        "environment": notification.environment,
        "description": fitted(notification.title, DESCRIPTION),
        "auto_merge": False,
        "required_contexts": [],
    }
    return json_request(f"{repository}/deployments", body, headers)


def _next_status(
    notification: Notification,
    deployment: object,
    answers: Sequence[bytes],
    repository: str,
    headers: Mapping[str, str],
) -> ProviderRequest | None:
    """Return the request that sets the deployment's status, then the one for the commit's; None after both."""
    number, sha = _identity(deployment)
    state, commit_state = _states(notification)
    description = fitted(notification.title, DESCRIPTION)
    if not answers:
        status = {"state": state, "description": description, "environment": notification.environment}
        return json_request(f"{repository}/deployments/{number}/statuses", status, headers)
    if len(answers) == 1:
        context = f"orchestrator/{notification.environment}"
        commit_status = {"state": commit_state, "description": description, "context": context}
        return json_request(f"{repository}/statuses/{sha}", commit_status, headers)
    return None


def _identity(deployment: object) -> tuple[int, str]:
    number = deployment.get("id") if isinstance(deployment, Mapping) else None
    sha = deployment.get("sha") if isinstance(deployment, Mapping) else None
    if not isinstance(number, int) or not isinstance(sha, str) or not _SHA.fullmatch(sha):
        raise ValueError("GitHub's deployment has no id or sha")
    return number, sha


def _states(notification: Notification) -> tuple[str, str]:
    """Return the state of the deployment's status, and of the commit's."""
    if notification.kind is EventKind.ROLLBACK:
        return "failure", "failure"
    if notification.transition is not Transition.RESOLVE:
        return "in_progress", "pending"
    return ("failure", "failure") if notification.failed else ("success", "success")
