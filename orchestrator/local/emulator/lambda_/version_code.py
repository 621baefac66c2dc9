"""Lambda: GetFunction returns the deployment package of the requested version.

AWS: GetFunction "returns information about the function or function version, with a link to download the deployment
package that's valid for 10 minutes. If you specify a function version, only details that are specific to that version
are returned." https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html

Stock MiniStack keeps and runs the package of each version, but its link always points to the package of ``$LATEST``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._get_function": "4d089b87a93984a2",
    "ministack.services.lambda_svc._presigned_code_url": "d8756e9a7bf07d55",
    "ministack.services.lambda_svc.serve_function_code": "342a87e413d967ef",
}

Response = tuple[int, Mapping[str, str], bytes]
LATEST = "$LATEST"


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    def linking_version(original: Callable[..., Response]) -> Callable[..., Response]:
        def get_function(name: str, qualifier: str | None = None) -> Response:
            status, headers, body = original(name, qualifier)
            response = json.loads(body)
            version = response.get("Configuration", {}).get("Version", LATEST)
            if version == LATEST or "Location" not in response["Code"]:
                return status, headers, body
            response["Code"]["Location"] = lambda_svc._presigned_code_url(f"{name}:{version}")
            return status, headers, json.dumps(response).encode()

        return get_function

    def serving_version(original: Callable[..., Response]) -> Callable[..., Response]:
        def serve_function_code(name: str, account_id: str | None = None, region: str | None = None) -> Response:
            function, _, version = name.partition(":")
            if not version:
                return original(name, account_id, region)
            record = lambda_svc._functions.get_scoped(account_id, region, function) or {}
            package = record.get("versions", {}).get(version, {}).get("code_zip")
            if package is None:
                return 404, {"Content-Type": "text/plain"}, b"Function not found"
            return 200, {"Content-Type": "application/zip"}, package

        return serve_function_code

    wrap(lambda_svc, "_get_function", linking_version)
    wrap(lambda_svc, "serve_function_code", serving_version)
