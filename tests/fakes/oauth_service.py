"""The OAuth service's own functions behind Lambda's API, over tables and keys in memory: what a drill makes, it serves.

A function is what its configuration says: the service is composed of its variables as Lambda's handlers compose it, so that a
drill's function is identified by its settings and by nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service import settings
from service.endpoints import authorize, public, token
from service.keys import key_ring
from service.keys.kms import PublicKeys, Signer, SyntheticProof, Vault
from service.login.flow import LoginFlow
from service.storage.grants import Store
from service.storage.revocations import RevokingStore
from service.token_verification import published_issuer
from tests.fakes.errors import client_error
from tests.fakes.tables import Tables

NAMES = ("authorize", "token", "public")
PACKAGE = b"the live version's package"
CLIENT = {
    "client_id": "synthetic", "name": "Synthetic identity", "redirect_uris": ["https://synthetic.invalid/callback"],
    "scopes": ["profile"], "audience": "urn:ib-oauth:synthetic", "synthetic": True,
}  # fmt: skip


class Keys:
    """A KMS client: keys are made when they are first used. What is encrypted for one context is decrypted for no other."""

    def __init__(self) -> None:
        self._signing: dict[str, ec.EllipticCurvePrivateKey] = {}

    def _key(self, key_id: str) -> ec.EllipticCurvePrivateKey:
        return self._signing.setdefault(key_id, ec.generate_private_key(ec.SECP256R1()))

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return {"PublicKey": self._key(KeyId).public_key().public_bytes(*der)}

    def sign(self, *, KeyId: str, Message: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Signature": self._key(KeyId).sign(Message, ec.ECDSA(hashes.SHA256()))}

    def generate_mac(self, *, KeyId: str, Message: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Mac": hmac.digest(KeyId.encode(), Message, "sha256")}

    def verify_mac(self, *, KeyId: str, Message: bytes, Mac: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        if not hmac.compare_digest(Mac, hmac.digest(KeyId.encode(), Message, "sha256")):
            raise client_error("KMSInvalidMacException", "the MAC does not verify")
        return {}

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        sealed = {"key": KeyId, "context": dict(EncryptionContext), "text": base64.b85encode(Plaintext[::-1]).decode()}
        return {"CiphertextBlob": json.dumps(sealed).encode()}

    def decrypt(
        self,
        *,
        KeyId: str,  # noqa: N803
        CiphertextBlob: bytes,  # noqa: N803
        EncryptionContext: Mapping[str, str],  # noqa: N803
    ) -> dict[str, Any]:
        sealed = json.loads(CiphertextBlob)
        if (sealed["key"], sealed["context"]) != (KeyId, dict(EncryptionContext)):
            raise client_error("InvalidCiphertextException", "another key or context")
        return {"Plaintext": base64.b85decode(sealed["text"])[::-1]}


class OAuthFunctions:
    """A Lambda client over the service's functions: version 1 of each is live.

    Args:
        tables: the service's tables, and copies of them.
        keys: KMS.
        now: the clock.
        state, tokens, revocations: names of the live tables.
    """

    def __init__(
        self, tables: Tables, keys: Keys, now: Callable[[], datetime], *, state: str, tokens: str, revocations: str
    ) -> None:
        self._tables, self._keys, self._now = tables, keys, now
        self._composed: dict[str, Any] = {}
        self.pending = 1
        """How often a new function says that it is pending."""
        variables = {
            "ENVIRONMENT": "local", "ISSUER": "https://issuer.invalid", "STATE_TABLE": state, "TOKENS_TABLE": tokens,
            "REVOCATIONS_TABLE": revocations, "CLIENTS": json.dumps([CLIENT]), "SIGNING_KEY_ID": "live", "KEYS_TABLE": "none",
            "SESSION_KEY_ID": "session", "SYNTHETIC_KEY_ID": "arn:aws:kms:us-west-1:000000000000:key/synthetic",
            "RELEASE": json.dumps({"commit": "a", "build": "b", "configuration": "c"}), "CLIENT_DOCUMENTS": "on",
            "PLATFORMS": json.dumps({"demo": {"url": "https://platform.example", "title": "Demo"}}),
            "SOURCE_REQUESTS_PER_SECOND": "10000", "SOURCE_BURST_REQUESTS": "10000",
        }  # fmt: skip
        self.functions = {
            f"ib-oauth-{name}-test": _configuration(f"ib-oauth-{name}-test", PACKAGE, variables, name) for name in NAMES
        }

    # --- the control plane -------------------------------------------------------------------------------

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:  # noqa: N803
        self._known(FunctionName)
        return {"Name": Name, "FunctionVersion": "1", "RevisionId": "r", "Description": ""}

    def get_paginator(self, operation: str) -> Any:
        """Nothing is kept warm here."""
        assert operation == "list_provisioned_concurrency_configs"
        return SimpleNamespace(paginate=lambda **_: [{"ProvisionedConcurrencyConfigs": []}])

    def get_function(self, *, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:  # noqa: N803
        configuration = self.get_function_configuration(FunctionName=FunctionName, Qualifier=Qualifier)
        code = {"Location": f"https://code.invalid/{Qualifier}"}
        return {"Configuration": configuration, "Code": code, "Tags": self._known(FunctionName).get("Tags", {})}

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:  # noqa: N803
        found = self._known(FunctionName)
        left = found.get("Pending", 0)
        found["Pending"] = max(0, left - 1)
        return {**found, "Version": Qualifier, "State": "Pending" if left else "Active"}

    def create_function(self, *, FunctionName: str, Code: dict[str, bytes], **configuration: Any) -> dict[str, Any]:  # noqa: N803
        if FunctionName in self.functions:
            raise client_error("ResourceConflictException", FunctionName)
        name = configuration["Handler"].split(".")[-2]
        made = _configuration(FunctionName, Code["ZipFile"], configuration["Environment"]["Variables"], name)
        self.functions[FunctionName] = {
            **made,
            "Role": configuration["Role"],
            "Tags": configuration["Tags"],
            "Pending": self.pending,
        }
        return made

    def delete_function(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        self._known(FunctionName)
        del self.functions[FunctionName]
        self._composed.pop(FunctionName, None)
        return {}

    # --- calling -----------------------------------------------------------------------------------------

    def invoke(self, *, FunctionName: str, Payload: str, Qualifier: str = "") -> dict[str, Any]:  # noqa: N803
        configuration = self._known(FunctionName)
        if FunctionName not in self._composed:
            variables = configuration["Environment"]["Variables"]
            self._composed[FunctionName] = self._compose(configuration["Handler"].split(".")[-2], variables)
        answer = self._composed[FunctionName](json.loads(Payload), None)
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), "ExecutedVersion": Qualifier or "$LATEST"}

    def _compose(self, name: str, variables: Mapping[str, str]) -> Any:
        loaded: Any = settings.load(variables, name)
        client: Any = self._tables
        kms: Any = self._keys
        clock = lambda: self._now().timestamp()  # noqa: E731
        ring = key_ring.from_environment(variables, client)
        tables = (loaded.state_table, loaded.tokens_table)
        published = published_issuer(settings.read_published_keys(variables))
        if name == "authorize":
            flow = LoginFlow(
                issuer=loaded.issuer,
                clients=loaded.clients,
                platforms=settings.read_platforms(variables, local=True),
                store=Store(client, *tables, least_epoch=loaded.least_epoch),
                vault=Vault(kms, variables["SESSION_KEY_ID"], loaded.environment),
                proof=SyntheticProof(kms, variables["SYNTHETIC_KEY_ID"], "test"),
                entropy=os.urandom,
            )
            return authorize.build(loaded, flow, clock=clock)
        if name == "token":
            store = RevokingStore(client, *tables, variables["REVOCATIONS_TABLE"], least_epoch=loaded.least_epoch)
            return token.build(
                loaded, store, Signer(kms, ring), PublicKeys(kms, ring), published=published, clock=clock
            )
        reading = Store(client, *tables, least_epoch=loaded.least_epoch)
        vault = Vault(kms, variables["SESSION_KEY_ID"], loaded.environment)
        return public.build(loaded, reading, PublicKeys(kms, ring), vault, published=published, clock=clock)

    def _known(self, name: str) -> dict[str, Any]:
        if name not in self.functions:
            raise client_error("ResourceNotFoundException", f"Function not found: {name}")
        return self.functions[name]


def _configuration(function_name: str, package: bytes, variables: Mapping[str, str], name: str) -> dict[str, Any]:
    return {
        "FunctionName": function_name,
        "Version": "1",
        "RevisionId": "r",
        "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode(),
        "Handler": f"service.handlers.{name}.handler",
        "Runtime": "python3.13",
        "MemorySize": 512,
        "Timeout": 10,
        "Role": "live",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": dict(variables)},
    }
