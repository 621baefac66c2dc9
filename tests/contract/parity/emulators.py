"""The emulators that are compared: stock MiniStack, MiniStack with our patches, and moto."""

from __future__ import annotations

import io
import itertools
import json
import logging
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import moto
from botocore.config import Config
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloud
from tests.contract.parity.case import NotCovered

REGION = "us-west-1"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
        }
    ],
}


@dataclass
class Emulator:
    """An emulator under comparison. `endpoint_url` and `api_url` are None if it runs inside this process."""

    name: str
    endpoint_url: str | None
    api_url: Callable[[str, str], str] | None
    prefix: str = ""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _clients: dict[str, Any] = field(default_factory=dict)
    _shared: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a client that neither retries nor validates, so that the service answers every request."""
        if service not in self._clients:
            config = Config(retries={"max_attempts": 0}, parameter_validation=False, read_timeout=60)
            session = boto3.Session("test", "test", region_name=REGION)
            self._clients[service] = session.client(service, endpoint_url=self.endpoint_url, config=config)
        return self._clients[service]

    def new_name(self, kind: str) -> str:
        """Return a name that no other case uses."""
        return f"parity-{self.prefix}{kind}-{next(self._numbers)}"

    def shared(self, key: str, create: Callable[[], Any]) -> Any:
        """Return what `create` made when the key was first asked for."""
        if key not in self._shared:
            self._shared[key] = create()
        return self._shared[key]

    def role(self) -> str:
        """Return the ARN of a role for functions and state machines."""

        def create() -> str:
            name = self.new_name("role")
            role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
            return str(role["Role"]["Arn"])

        return str(self.shared("role", create))

    def function(self, *sources: str, **settings: Any) -> str:
        """Create a function, publish a version of each source, and return its name."""
        client, name = self.client("lambda"), self.new_name("function")
        settings = {"Runtime": "python3.13", "Handler": "function.handler", "Timeout": 5, **settings}
        client.create_function(FunctionName=name, Role=self.role(), Code={"ZipFile": _package(sources[0])}, **settings)
        self._wait_for_function(name)
        for number, source in enumerate(sources):
            if number:
                client.update_function_code(FunctionName=name, ZipFile=_package(source))
                self._wait_for_function(name)
            client.publish_version(FunctionName=name)
        return name

    def _wait_for_function(self, name: str) -> None:
        def is_ready() -> bool:
            found = self.client("lambda").get_function_configuration(FunctionName=name)
            return found.get("State", "Active") == "Active" and found.get("LastUpdateStatus") != "InProgress"

        wait_until(is_ready)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until a condition is true and return its value; at the end, return the last value."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@contextmanager
def ministack(name: str, folder: Path, patches: tuple[str, ...]) -> Iterator[Emulator]:
    """Start MiniStack with these patches on a free port of the loopback address."""
    folder.mkdir(parents=True, exist_ok=True)
    with LocalCloud.start(folder, patches=patches, seed=7, region=REGION) as local:
        yield Emulator(name, local.endpoint_url, local.api_url)


@contextmanager
def moto_in_process() -> Iterator[Emulator]:
    """Start moto inside this process. It executes state machines, and runs no functions (they need Docker)."""
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # its interpreter logs every failure that a case provokes
    settings: Any = {"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
    with moto.mock_aws(config=settings):
        yield Emulator("moto", None, None)


def error_of(act: Callable[[], Any]) -> ClientError:
    """Return the error that a request ends with.

    Raises:
        NotCovered: it has none, so what the case continues from is not there.
    """
    try:
        act()
    except ClientError as error:
        return error
    raise NotCovered("the request before this one was accepted")


def _package(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function.py", source)
    return packed.getvalue()
