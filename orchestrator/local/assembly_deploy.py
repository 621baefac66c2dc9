"""Deploys a cloud assembly by the API of CloudFormation, for installations that have no CDK command line.

It does what ``cdk bootstrap`` and ``cdk deploy --method=direct`` do with our stacks: it publishes the files of a stack,
creates or updates the stack from its template in the bucket, and waits. The command line is a package of npm and has
30 MB, so a wheel cannot contain it (docs/adr/0052-the-package-has-what-a-clone-has.md).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from orchestrator.aws.rebuild.assemblies import Assembly, UnknownStack, in_order
from orchestrator.aws.rebuild.operations import (
    COMPLETE,
    failures_of,
    stack_request,
    stack_status,
    start_operation,
)
from orchestrator.local.cloud import LocalCloudError

QUALIFIER = "hnb659fds"
"""The default qualifier of the CDK's bootstrap; it is in the names of the bucket and of the version's parameter."""

BOOTSTRAP_VERSION = "30"
"""A version that every template accepts. They compare it with the oldest that has what they need."""

POLL_SECONDS = 0.2
DEPLOY_SECONDS = 600

_TO_BE_CREATED_AGAIN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


class DeployFailed(LocalCloudError):
    """A synthesis or a deployment failed. The message has what failed, and the output or the events."""


def bootstrap(environ: Mapping[str, str], account: str) -> None:
    """Create what an assembly needs in an account: the bucket of its files, and the parameter with the version.

    Args:
        environ: environment variables with which AWS clients use the local cloud.
        account: the account's id.
    """
    region = environ["AWS_DEFAULT_REGION"]
    s3 = _client("s3", environ)
    # us-east-1 is the one region that may not be named.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    # It exists if an earlier bootstrap was interrupted after this.
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=f"cdk-{QUALIFIER}-assets-{account}-{region}", **place)
    _client("ssm", environ).put_parameter(
        Name=f"/cdk-bootstrap/{QUALIFIER}/version", Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )


def deploy(assembly: Path, names: Sequence[str], environ: Mapping[str, str], account: str) -> None:
    """Deploy stacks of an assembly, each after those that it depends on.

    Args:
        assembly: the folder of the cloud assembly.
        names: complete names of stacks.
        environ: environment variables with which AWS clients use the local cloud.
        account: the account's id.

    Raises:
        DeployFailed: a stack was not created or updated; the message has the events that say why.
    """
    read = Assembly(assembly, account, environ["AWS_DEFAULT_REGION"])
    try:
        ordered = in_order(read.artifacts, names)
    except UnknownStack as error:
        raise DeployFailed(str(error)) from error
    for name in ordered:
        read.publish(name, lambda service: _client(service, environ))
        _deploy_stack(name, read, environ)


def _deploy_stack(name: str, assembly: Assembly, environ: Mapping[str, str]) -> None:
    client = _client("cloudformation", environ)
    url = f"{environ['AWS_ENDPOINT_URL']}/{assembly.template_location(name)}"
    request = stack_request(assembly, name, url)
    status = stack_status(client, name)
    if status in _TO_BE_CREATED_AGAIN:
        client.delete_stack(StackName=name)
        status = _settled(client, name)
    if not status:
        start_operation(client, "create_stack", request)
    elif not _update(client, request):
        return
    if (ended := _settled(client, name)) not in COMPLETE:
        reasons = "\n".join(failures_of(client, name))
        raise DeployFailed(f"{name} ended in {ended}:\n{reasons}")


def _update(client: Any, request: Mapping[str, Any]) -> bool:
    """Update a stack; return whether anything differs."""
    try:
        return start_operation(client, "update_stack", request)
    except ClientError as error:
        raise DeployFailed(f"{request['StackName']} was not updated: {error}") from error


def _settled(client: Any, name: str) -> str:
    """Wait until nothing is in progress; return the stack's status, empty for no stack."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    while (status := stack_status(client, name)).endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DeployFailed(f"{name} is still in {status} after {DEPLOY_SECONDS} s")
        time.sleep(POLL_SECONDS)
    return status


def _client(service: str, environ: Mapping[str, str]) -> Any:
    session: Any = boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    return session.client(service, endpoint_url=environ["AWS_ENDPOINT_URL"])
