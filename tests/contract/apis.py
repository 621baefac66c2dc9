"""A REST API for contract tests: one path, answered by a function through a proxy integration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Api:
    """A deployed REST API; `url` is the address of its one path."""

    id: str
    stage: str
    url: str


def rest_api(cloud: Any, function: str, *, authorization: str = "NONE", stage: str = "live") -> Api:
    """Create a REST API whose GET /asked is answered by a function (or ``name:alias``), and deploy it."""
    client = cloud.client("apigateway")
    api = client.create_rest_api(name=cloud.name("api"))["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    resource = client.create_resource(restApiId=api, parentId=root, pathPart="asked")["id"]
    client.put_method(restApiId=api, resourceId=resource, httpMethod="GET", authorizationType=authorization)
    lambda_arn = f"arn:aws:lambda:{cloud.region}:000000000000:function:{function}"
    client.put_integration(
        restApiId=api,
        resourceId=resource,
        httpMethod="GET",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{cloud.region}:lambda:path/2015-03-31/functions/{lambda_arn}/invocations",
    )
    client.create_deployment(restApiId=api, stageName=stage)
    return Api(api, stage, f"{cloud.local.api_url(api, stage)}/asked")
