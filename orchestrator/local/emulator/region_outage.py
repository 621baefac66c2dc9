"""Simulated outage of regions: every request to an unavailable region is answered with 503 until the outage ends.

A request belongs to the region in its signature, or to the region of the API or bucket in its path. IAM and other
global services belong to no region. Executions and functions inside an unavailable region keep running, but their
requests to its endpoints fail. Tables of an unavailable region cannot be the source of a restore.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

Message = Mapping[str, Any]

GLOBAL: Final = frozenset({"iam", "cloudfront", "route53", "organizations"})
"""Services that belong to no region, whatever region their requests are signed for."""
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_API: Final = re.compile(r"^/_aws/execute-api/(?P<api>[^/]+)/|^/restapis/(?P<legacy>[^/]+)/[^/]+/_user_request_/")

FindRegion = Callable[[str], str | None]


def _region_of_api(api: str) -> str | None:
    scope = importlib.import_module("ministack.services.apigateway_v1").find_api_scope(api)
    return str(scope[1]) if scope else None


def _region_of_bucket(bucket: str) -> str | None:
    region: str | None = importlib.import_module("ministack.services.s3").bucket_region(bucket)
    return region


class Outage:
    """The regions that are unavailable.

    Args:
        region_of_api: returns the region of a REST API by its id.
        region_of_bucket: returns the region of a bucket by its name.
    """

    def __init__(
        self, region_of_api: FindRegion = _region_of_api, region_of_bucket: FindRegion = _region_of_bucket
    ) -> None:
        self._region_of_api = region_of_api
        self._region_of_bucket = region_of_bucket
        self._lost: frozenset[str] = frozenset()

    @property
    def lost(self) -> frozenset[str]:
        """The unavailable regions."""
        return self._lost

    def set_lost_regions(self, regions: Iterable[str]) -> None:
        """Make exactly these regions unavailable."""
        self._lost = frozenset(regions)

    def affects(self, scope: Message) -> bool:
        """Return whether a request, as an ASGI scope, is addressed to an unavailable region."""
        return bool(self._lost) and not self._lost.isdisjoint(self._regions(scope))

    def _regions(self, scope: Message) -> Iterable[str]:
        if api := _API.match(scope["path"]):
            yield self._region_of_api(api["api"] or api["legacy"]) or ""
            return
        signature = signature_of(scope)
        if signature is None or signature["service"] in GLOBAL:
            return
        yield signature["region"]
        if signature["service"] == "s3":
            yield self._region_of_bucket(scope["path"].lstrip("/").partition("/")[0]) or ""


def signature_of(scope: Message) -> re.Match[str] | None:
    """Return the credential scope of a signed or presigned request."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    presigned = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("X-Amz-Credential", [""])[0]
    return _SCOPE.search(header) or _SCOPE.search(f"Credential={presigned}")


OUTAGE: Final = Outage()
"""The outage of the server process."""


def in_lost_region(arn: str) -> bool:
    """Return whether a resource is in an unavailable region."""
    return arn.split(":")[3] in OUTAGE.lost
