"""The service over real tables and keys: a MiniStack of its own, of which only DynamoDB and KMS are used (no patches needed)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import botocore.session
import pytest

from orchestrator.local import identity_provider as upstream_platform
from service import settings as service_settings
from service.clients import registry
from service.endpoints import authorize, public, token
from service.endpoints.registration import Registrar
from service.keys import issuing_lease, key_ring
from service.keys.kms import PublicKeys, Signer, SyntheticProof, Vault
from service.login.flow import LoginFlow
from service.storage.clients import ClientStore
from service.storage.revocations import RevokingStore
from service.token_verification import published_issuer

ROOT = Path(__file__).resolve().parents[3]
ISSUER = "https://auth.example"
SECRET = "a-secret-of-the-confidential-client"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CLIENTS = [
    {"client_id": "native", "name": "Native <app>", "redirect_uris": ["http://127.0.0.1/callback"], "scopes": ["profile", "email"]},
    {"client_id": "web", "name": "Web", "redirect_uris": ["https://web.example/cb?x=1"], "scopes": ["profile"],
     "secret_sha256": hashlib.sha256(SECRET.encode()).hexdigest()},
    {"client_id": "synthetic", "name": "Synthetic identity", "redirect_uris": ["https://synthetic.invalid/callback"],
     "scopes": ["profile"], "audience": "urn:ib-oauth:synthetic", "synthetic": True},
]  # fmt: skip
_SERIAL = count(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """Clients of a MiniStack that lives as long as the tests."""
    folder = tmp_path_factory.mktemp("ministack")
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-west-1",
        "PERSIST_STATE": "0",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "MiniStack did not start"
                time.sleep(0.05)
        session = botocore.session.get_session()
        session.set_credentials("test", "test")
        endpoint = {"region_name": "us-west-1", "endpoint_url": f"http://127.0.0.1:{port}"}
        yield Aws(
            session.create_client("dynamodb", **endpoint),
            session.create_client("kms", **endpoint),
            endpoint["endpoint_url"],
        )
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Aws:
    dynamodb: Any
    kms: Any
    endpoint_url: str

    def new_table(self, name):
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def new_key(self, spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT"):
        return self.kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]

    def items(self, table):
        return self.dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]


@pytest.fixture(scope="session")
def keys(aws):
    return {
        "SIGNING_KEY_ID": aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"),
        "SESSION_KEY_ID": aws.new_key(),
        "SYNTHETIC_KEY_ID": aws.new_key("HMAC_256", "GENERATE_VERIFY_MAC"),
    }


@pytest.fixture(scope="session")
def platform_url():
    with upstream_platform.serve() as url:
        yield url


@pytest.fixture
def variables(aws, keys, platform_url):
    """The environment variables of the functions, with tables of their own."""
    return new_variables(aws, keys, platform_url)


def new_variables(aws, keys, platform_url):
    """Make tables, and return the environment variables of functions that use them."""
    serial = next(_SERIAL)
    variables = {
        "ENVIRONMENT": "local",
        "ISSUER": ISSUER,
        "STATE_TABLE": f"state-{serial}",
        "TOKENS_TABLE": f"tokens-{serial}",
        "KEYS_TABLE": f"keys-{serial}",
        "REVOCATIONS_TABLE": f"revocations-{serial}",
        "CLIENTS": json.dumps(CLIENTS),
        "RELEASE": json.dumps({"commit": "abc123", "build": "7", "configuration": "sha256:0"}),
        "PLATFORMS": json.dumps({"demo": {"url": platform_url, "title": "Demo platform"}}),
        "SOURCE_REQUESTS_PER_SECOND": "10000",
        "SOURCE_BURST_REQUESTS": "10000",
        "AWS_LAMBDA_FUNCTION_VERSION": "42",
        **keys,
    }
    aws.new_table(variables["STATE_TABLE"])
    aws.new_table(variables["TOKENS_TABLE"])
    aws.new_table(variables["KEYS_TABLE"])
    aws.new_table(variables["REVOCATIONS_TABLE"])
    return variables


def tables_of(variables):
    """The names of the tables that a store which revokes is over."""
    return tuple(variables[name] for name in ("STATE_TABLE", "TOKENS_TABLE", "REVOCATIONS_TABLE"))


@dataclass
class Answer:
    status: int
    headers: dict[str, list[str]]
    body: str

    def header(self, name):
        return next((values[0] for key, values in self.headers.items() if key.lower() == name.lower()), None)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def redirect(self):
        """The parameters of the address that a redirect leads to."""
        return _parameters(self.header("location"))

    @property
    def moves_on_to(self):
        """Where a page leads by itself, without a script; None if it stays."""
        found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', self.body)
        return unescape(found[1]) if found else None

    @property
    def link(self):
        """Where the one link of a page leads; None if it has none."""
        found = re.findall(r'<a href="([^"]+)"', self.body)
        assert len(found) < 2, found
        return unescape(found[0]) if found else None

    @property
    def answered(self):
        """The parameters of the address that a page's link leads to."""
        return _parameters(self.link)


def _parameters(address):
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass
class Service:
    """The three functions, a clock that stands until it is moved, and a browser's cookie."""

    aws: Aws
    variables: dict[str, str]
    now: float = 1_800_000_000.0
    cookie: str = ""
    functions: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        load = service_settings.load
        self.settings = load(self.variables, "token")
        self.store = RevokingStore(self.aws.dynamodb, *tables_of(self.variables), least_epoch=self.settings.least_epoch)
        self.vault = Vault(self.aws.kms, self.variables["SESSION_KEY_ID"], "local")
        clock = lambda: self.now  # noqa: E731
        # One ring for each function, as each has a process of its own.
        self.signer = Signer(self.aws.kms, key_ring.from_environment(self.variables, self.aws.dynamodb, clock))
        self.keys = PublicKeys(self.aws.kms, key_ring.from_environment(self.variables, self.aws.dynamodb, clock))
        self.client_store = ClientStore(
            self.aws.dynamodb, self.variables["STATE_TABLE"], self.variables["TOKENS_TABLE"]
        )
        granted = registry.for_grants(self.settings, self.client_store, clock)
        asking = registry.for_authorize(self.settings, self.client_store, clock)
        published = published_issuer(service_settings.read_published_keys(self.variables))
        flow = LoginFlow(
            issuer=self.settings.issuer,
            clients=registry.for_login(self.settings, self.client_store, clock),
            platforms=service_settings.read_platforms(self.variables, local=True),
            store=self.store,
            vault=self.vault,
            proof=SyntheticProof(self.aws.kms, self.variables["SYNTHETIC_KEY_ID"], "local"),
            entropy=os.urandom,
        )
        self.functions = {
            "authorize": authorize.build(load(self.variables, "authorize"), flow, clients=asking, clock=clock),
            "token": token.build(
                self.settings,
                self.store,
                self.signer,
                self.keys,
                clients=granted,
                registrar=self._registrar(),
                published=published,
                lease=issuing_lease.from_environment(self.variables, self.aws.dynamodb, clock),
                clock=clock,
            ),
            "public": public.build(
                load(self.variables, "public"),
                self.store,
                self.keys,
                self.vault,
                clients=granted,
                published=published,
                clock=clock,
            ),
        }

    def _registrar(self):
        if not self.settings.self_described.registration:
            return None
        return Registrar(self.client_store, service_settings.read_registration_token_hash(self.variables))

    def call(self, function, method, path, *, query=None, form=None, body=None, headers=None, source="127.0.0.1"):
        """Send one request, as API Gateway would."""
        pairs = list(query.items()) if isinstance(query, dict) else list(query or ())
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            lists.setdefault(name, []).append(value)
        sent = {"Host": "ignored.example", **(headers or {})}
        if form is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": dict(pairs) or None,
            "multiValueQueryStringParameters": lists or None,
            "requestContext": {"stage": "live", "requestId": "request", "identity": {"sourceIp": source}},
            "body": urlencode(form) if form is not None else body,
            "isBase64Encoded": False,
        }
        answer = self.functions[function](event, None)
        return Answer(answer["statusCode"], answer["multiValueHeaders"], answer.get("body") or "")

    def authorize(self, client="native", redirect="http://127.0.0.1:5000/callback", **extra):
        """Start a login; the cookie is kept for what follows."""
        query = {
            "response_type": "code", "client_id": client, "redirect_uri": redirect, "state": "s",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", **extra,
        }  # fmt: skip
        answer = self.call("authorize", "GET", "/authorize", query=query)
        if answer.header("set-cookie"):
            self.cookie = answer.header("set-cookie").partition(";")[0]
        return answer

    def transaction(self, **arguments):
        page = self.authorize(**arguments)
        assert page.status == 200, page.body
        return re.search(r'name="transaction" value="([^"]+)"', page.body)[1]

    def login_page(self, transaction):
        """Choose the platform; return its login's token."""
        page = self.call(
            "authorize", "POST", "/login", form={"transaction": transaction, "platform": "demo", "decision": "allow"},
            headers={"cookie": self.cookie},
        )  # fmt: skip
        assert page.status == 200, page.body
        address = re.search(r'data-login-url="([^"]+)"', page.body)[1].replace("&amp;", "&")
        return parse_qs(urlsplit(address).query)["token"][0]

    def poll(self, transaction):
        return self.call(
            "authorize", "GET", "/login/poll", query={"transaction": transaction}, headers={"cookie": self.cookie}
        )

    def code(self, *, account="ada", **arguments):
        """Log a user in and return the code."""
        transaction = self.transaction(**arguments)
        self.log_in_upstream(self.login_page(transaction), account)
        polled = self.poll(transaction)
        assert polled.json["phase"] == "complete", polled.body
        return parse_qs(urlsplit(polled.json["redirect"]).query)["code"][0]

    def log_in_upstream(self, upstream_token, account="ada"):
        import urllib.request

        url = json.loads(self.variables["PLATFORMS"])["demo"]["url"]
        body = urlencode({"token": upstream_token, "account": account}).encode()
        with urllib.request.urlopen(f"{url}/auth/login", body) as answer:
            assert answer.status == 200

    def redeem(self, code, **changes):
        form = {
            "grant_type": "authorization_code", "client_id": "native", "code": code,
            "redirect_uri": "http://127.0.0.1:5000/callback", "code_verifier": VERIFIER, **changes,
        }  # fmt: skip
        return self.call(
            "token", "POST", "/token", form={key: value for key, value in form.items() if value is not None}
        )

    def refresh(self, refresh_token, **changes):
        form = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": refresh_token, **changes}
        return self.call("token", "POST", "/token", form=form)

    def userinfo(self, access_token):
        return self.call("public", "GET", "/userinfo", headers={"authorization": f"Bearer {access_token}"})

    def synthetic_code(self):
        transaction = self.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
        message = f"ib-oauth/synthetic/local/{transaction}".encode()
        mac = self.aws.kms.generate_mac(
            KeyId=self.variables["SYNTHETIC_KEY_ID"], Message=message, MacAlgorithm="HMAC_SHA_256"
        )["Mac"]
        answer = self.prove(transaction, base64.urlsafe_b64encode(mac).rstrip(b"=").decode())
        assert answer.status == 303, answer.body
        return answer.redirect["code"]

    def prove(self, transaction, mac):
        return self.call(
            "authorize", "POST", "/login/synthetic", form={"transaction": transaction, "mac": mac},
            headers={"cookie": self.cookie},
        )  # fmt: skip

    def bump_epoch(self, epoch):
        self.aws.dynamodb.put_item(
            TableName=self.variables["TOKENS_TABLE"], Item={"pk": {"S": "epoch"}, "epoch": {"N": str(epoch)}}
        )


@pytest.fixture
def service(aws, variables):
    return Service(aws, variables)


@pytest.fixture
def serve(aws, variables, tmp_path):
    """Serve the service, or a release laid over it, and return its address. Its log is the file `log`."""
    with contextlib.ExitStack() as opened:

        def serve(overlay=None):
            source = ROOT
            if overlay is not None:
                source = tmp_path / "release"
                shutil.copytree(ROOT / "service", source / "service")
                shutil.copytree(overlay, source / "service", dirs_exist_ok=True)
            return opened.enter_context(serving(aws, variables, tmp_path, source))

        yield serve


@contextlib.contextmanager
def serving(aws, variables, folder, source=ROOT):
    """Serve the service in `source` from a process of its own, which logs to `folder`/log; gives its address."""
    environment = {
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(source),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("gateway.py"))],
            env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        # The functions log their start before the server is there.
        first = next((line for line in process.stdout if "url" in json.loads(line)), "")
        assert first, (folder / "log").read_text()
        threading.Thread(target=_drain, args=(process.stdout, folder / "log"), daemon=True).start()
        yield json.loads(first)["url"]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _drain(stream, path):
    with path.open("a") as log, contextlib.suppress(ValueError):
        for line in stream:
            log.write(line)


@pytest.fixture
def base_url(serve):
    return serve()
