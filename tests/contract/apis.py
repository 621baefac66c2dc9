"""REST APIs for contract tests: one path, one function or alias behind it."""

from __future__ import annotations

from typing import Any


def rest_api(cloud: Any, function_arn: str, *, stage: str = "live") -> str:
    """Put a proxy integration of the function (or alias) in front of everything under ``/``; returns the stage's URL."""
    client = cloud.client("apigateway")
    api = client.create_rest_api(name=cloud.name("api"))["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    everything = client.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    uri = f"arn:aws:apigateway:{cloud.region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    client.put_method(restApiId=api, resourceId=everything, httpMethod="ANY", authorizationType="NONE")
    client.put_integration(
        restApiId=api, resourceId=everything, httpMethod="ANY", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri
    )
    client.create_deployment(restApiId=api, stageName=stage)
    return cloud.local.api_url(api, stage)
