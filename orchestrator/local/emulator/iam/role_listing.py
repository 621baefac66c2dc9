"""IAM: ListRoles returns a subset of a role's attributes.

AWS: ListRoles does not return PermissionsBoundary, RoleLastUsed and Tags, even if a role has them. GetRole does.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html

Stock MiniStack leaves out the boundary but returns the tags.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.iam._list_roles": "5b55e8129162966f",
    "ministack.services.iam._role_xml": "f5385281774438ff",
}

_TAGS = re.compile(r"<Tags>.*?</Tags>", re.DOTALL)

Response = tuple[int, dict[str, str], bytes]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    wrap(importlib.import_module("ministack.services.iam"), "_list_roles", _without_tags)


def _without_tags(original: Callable[..., Response]) -> Callable[..., Response]:
    @functools.wraps(original)
    def list_roles(params: object) -> Response:
        status, headers, body = original(params)
        return status, headers, _TAGS.sub("", body.decode()).encode()

    return list_roles
