"""A region that is lost: whatever is asked of it is answered with 503 and nothing else, as long as it is switched off.

A request belongs to the region that its signature names, or of the API or bucket that it asks for. IAM and other global services belong to none.
What runs within a lost region runs on, and reaches nothing: its functions ask endpoints that do not answer. Its tables are no source
of a restore elsewhere.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

Message = Mapping[str, Any]

GLOBAL: Final = frozenset({"iam", "cloudfront", "route53", "organizations"})
"""Services that belong to no region, whichever their requests are signed for here."""
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_API: Final = re.compile(r"^/_aws/execute-api/(?P<api>[^/]+)/|^/restapis/(?P<legacy>[^/]+)/[^/]+/_user_request_/")

Find = Callable[[str], str | None]


def _region_of_api(api: str) -> str | None:
    found = importlib.import_module("ministack.services.apigateway_v1").find_api_scope(api)
    return str(found[1]) if found else None


def _region_of_bucket(bucket: str) -> str | None:
    found: str | None = importlib.import_module("ministack.services.s3").bucket_region(bucket)
    return found


class Outage:
    """Which regions are lost.

    Args:
        region_of_api: finds the region of a REST API by its id.
        region_of_bucket: finds the region of a bucket by its name.
    """

    def __init__(self, region_of_api: Find = _region_of_api, region_of_bucket: Find = _region_of_bucket) -> None:
        self._region_of_api = region_of_api
        self._region_of_bucket = region_of_bucket
        self._lost: frozenset[str] = frozenset()

    @property
    def lost(self) -> frozenset[str]:
        """The lost regions."""
        return self._lost

    def switch(self, regions: Iterable[str]) -> None:
        """From now on these regions are lost, and no other."""
        self._lost = frozenset(regions)

    def stops(self, scope: Message) -> bool:
        """Whether a request, as an ASGI scope, asks something of a lost region."""
        return bool(self._lost) and not self._lost.isdisjoint(self._regions(scope))

    def _regions(self, scope: Message) -> Iterable[str]:
        if api := _API.match(scope["path"]):
            yield self._region_of_api(api["api"] or api["legacy"]) or ""
            return
        signature = _signature(scope)
        if signature is None or signature["service"] in GLOBAL:
            return
        yield signature["region"]
        if signature["service"] == "s3":
            yield self._region_of_bucket(scope["path"].lstrip("/").partition("/")[0]) or ""


def _signature(scope: Message) -> re.Match[str] | None:
    """Find the credential scope of a signed or presigned request."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    presigned = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("X-Amz-Credential", [""])[0]
    return _SCOPE.search(header) or _SCOPE.search(f"Credential={presigned}")


OUTAGE: Final = Outage()
"""Of the server's process."""


def out_of_reach(arn: str) -> bool:
    """Whether a resource is in a lost region."""
    return arn.split(":")[3] in OUTAGE.lost
