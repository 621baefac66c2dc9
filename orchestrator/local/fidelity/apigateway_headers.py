"""API Gateway: which headers a REST API takes away or renames between a client and a Lambda proxy integration.

AWS (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html, the table of headers):

- In a function's response some headers leave as ``x-amzn-Remapped-…``: ``WWW-Authenticate`` is one of them. Others are
  dropped. In a request some are dropped before the function sees them.
- Nothing in the API undoes it for a proxy integration. Integration responses and their mappings are not used by one
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html).
  Gateway responses are what the API says by itself when no integration answered, such as UNAUTHORIZED of an authorizer,
  where ``gatewayresponse.header.WWW-Authenticate`` does set the header; a function's 401 is none
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html).
  What stands in front of the API may rename it: a CloudFront function on the viewer's response.

The table says of ``Date`` and ``Server`` that the renamed header's value is overwritten, but not with what: here it stays.
MiniStack passes all headers through both ways.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.apigateway_v1._invoke_lambda_proxy_v1": "5651a96fa7ba1ad6d4b631a70149583cdb347d35a7683dede3e6d728810f7e1f",
}

DROPPED_FROM_REQUESTS: Final = frozenset(
    {
        "connection",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    }
)
RENAMED_IN_RESPONSES: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-md5",
        "date",
        "max-forwards",
        "server",
        "user-agent",
        "www-authenticate",
    }
)
DROPPED_FROM_RESPONSES: Final = frozenset(
    {
        "expect",
        "host",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)

Answer = tuple[int, dict[str, Any], bytes]
Invoke = Callable[..., Awaitable[Answer]]


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    from ministack.services import apigateway_v1  # noqa: PLC0415 - only in the server process

    wrap(apigateway_v1, "_invoke_lambda_proxy_v1", _filtering)


def _filtering(original: Invoke) -> Invoke:
    async def invoke_lambda_proxy(
        integration: Any,
        api: str,
        stage_name: str,
        stage: Any,
        resource: Any,
        path: str,
        method: str,
        headers: Mapping[str, Any],
        *given: Any,
        **named: Any,
    ) -> Answer:
        seen = {name: value for name, value in headers.items() if name.lower() not in DROPPED_FROM_REQUESTS}
        status, answered, body = await original(
            integration, api, stage_name, stage, resource, path, method, seen, *given, **named
        )
        return status, leaving(answered), body

    return invoke_lambda_proxy


def leaving(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's response headers as they leave the API."""
    return {
        f"x-amzn-Remapped-{name}" if name.lower() in RENAMED_IN_RESPONSES else name: value
        for name, value in headers.items()
        if name.lower() not in DROPPED_FROM_RESPONSES
    }
