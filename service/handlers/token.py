"""The function `token`: token requests, revocation, introspection and client registration. Only it may sign."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws_clients, settings, token_verification
from service.clients import registry
from service.endpoints import token
from service.endpoints.registration import Registrar
from service.keys import issuing_lease, key_ring
from service.keys.kms import PublicKeys, Signer
from service.storage.clients import ClientStore
from service.storage.revocations import RevokingStore

_SETTINGS: Final = settings.load(os.environ, "token")
_CLIENTS: Final = ClientStore(aws_clients.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table)
_RING: Final = key_ring.from_environment(os.environ, aws_clients.dynamodb())

handler: Final = token.build(
    _SETTINGS,
    RevokingStore(
        aws_clients.dynamodb(),
        _SETTINGS.state_table,
        _SETTINGS.tokens_table,
        settings.required(os.environ, "REVOCATIONS_TABLE"),
        least_epoch=_SETTINGS.least_epoch,
    ),
    Signer(aws_clients.kms(), _RING),
    PublicKeys(aws_clients.kms(), _RING),
    clients=registry.for_grants(_SETTINGS, _CLIENTS, time.time),
    registrar=(
        Registrar(_CLIENTS, settings.read_registration_token_hash(os.environ))
        if _SETTINGS.self_described.registration
        else None
    ),
    lease=issuing_lease.from_environment(os.environ, aws_clients.dynamodb()),
    published=token_verification.published_issuer(settings.read_published_keys(os.environ)),
)
