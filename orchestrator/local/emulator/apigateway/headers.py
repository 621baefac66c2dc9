"""API Gateway: headers that a REST API drops or renames between a client and a Lambda proxy integration.

AWS (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html, the table of headers):

- The API renames some headers of a function's response to ``x-amzn-Remapped-…``, among them ``WWW-Authenticate``, and
  drops others. It also drops some headers of a request before the function receives it.
- Nothing in the API can reverse this for a proxy integration. A proxy integration does not use integration responses
  and their mappings
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html).
  Gateway responses are sent by the API itself when no integration answered, for example UNAUTHORIZED of an
  authorizer. In these ``gatewayresponse.header.WWW-Authenticate`` does set the header; a function's 401 is not a
  gateway response
  (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html). A
  component in front of the API may rename the header, such as a CloudFront function on the viewer response.

The table says that the values of the renamed headers ``Date`` and ``Server`` are overwritten, but not with what. Here
the values are kept. Stock MiniStack passes all headers through in both directions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.apigateway_v1._invoke_lambda_proxy_v1": "5651a96fa7ba1ad6",
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

Response = tuple[int, dict[str, Any], bytes]
Invoke = Callable[..., Awaitable[Response]]


def install(options: Options) -> None:
    """Install the patch in this process."""
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
        *args: Any,
        **kwargs: Any,
    ) -> Response:
        passed = {name: value for name, value in headers.items() if name.lower() not in DROPPED_FROM_REQUESTS}
        status, response_headers, body = await original(
            integration, api, stage_name, stage, resource, path, method, passed, *args, **kwargs
        )
        return status, filter_response_headers(response_headers), body

    return invoke_lambda_proxy


def filter_response_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of a function's response as the API sends them."""
    return {
        f"x-amzn-Remapped-{name}" if name.lower() in RENAMED_IN_RESPONSES else name: value
        for name, value in headers.items()
        if name.lower() not in DROPPED_FROM_RESPONSES
    }
