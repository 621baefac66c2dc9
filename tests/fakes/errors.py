"""Errors as botocore raises them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def client_error(code: str, message: str = "", *, status: int = 400, **more: Any) -> ClientError:
    """What a client raises when AWS refuses a call."""
    metadata = {"HTTPStatusCode": status, "RequestId": "fake", "HTTPHeaders": {}, "RetryAttempts": 0, "HostId": ""}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **more}, "Fake")
