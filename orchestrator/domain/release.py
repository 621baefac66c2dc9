"""A release is named by what it consists of: the code and the configuration of every function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Json


@dataclass(frozen=True)
class Latest:
    """A function's `$LATEST` or one of its versions, as GetFunctionConfiguration describes it.

    Attributes:
        configuration: everything of the configuration that changes behaviour (environment, memory, timeout, role …).
        ready: whether the last update was successful and the function is active.
    """

    function_name: str
    version: str
    revision: str
    code_sha256: str
    role: str
    dead_letter: str
    configuration: Mapping[str, Json]
    ready: bool
    not_ready_reason: str = ""


def digest(latest: Mapping[str, Latest]) -> str:
    """Name a release by its content.

    `CodeSha256` alone ignores configuration: a changed environment variable is another release.
    """
    content = {name: [one.code_sha256, one.configuration] for name, one in latest.items()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def refuse_unlike(name: str, stable: Latest, canary: Latest) -> None:
    """Refuse what an alias cannot hold at once: Lambda splits traffic only between versions of one role and queue.

    Raises:
        Refused: role or dead-letter target differ between the stable version and `$LATEST`.
    """
    for field, of_stable, of_canary in (
        ("role", stable.role, canary.role),
        ("dead-letter target", stable.dead_letter, canary.dead_letter),
    ):
        if of_stable != of_canary:
            raise Refused(
                f"release.{name}.{field}",
                of_canary,
                f"a weighted alias needs the {field} of version {stable.version}, {of_stable!r}; "
                "change it by a deployment of its own with strategy all-at-once after expanding first",
            )
