"""The function `token`: token requests, revocation, introspection, and registrations of clients. It alone may sign."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws, directory, key_ring, settings, verification
from service.client_store import ClientStore
from service.endpoints import token
from service.endpoints.registration import Registrar
from service.keys import PublicKeys, Signer
from service.revocations import RevokingStore

_SETTINGS: Final = settings.load(os.environ, "token")
_CLIENTS: Final = ClientStore(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table)
_RING: Final = key_ring.of(os.environ, aws.dynamodb())

handler: Final = token.build(
    _SETTINGS,
    RevokingStore(
        aws.dynamodb(),
        _SETTINGS.state_table,
        _SETTINGS.tokens_table,
        settings.required(os.environ, "REVOCATIONS_TABLE"),
        least_epoch=_SETTINGS.least_epoch,
    ),
    Signer(aws.kms(), _RING),
    PublicKeys(aws.kms(), _RING),
    clients=directory.for_grants(_SETTINGS, _CLIENTS, time.time),
    registrar=(
        Registrar(_CLIENTS, settings.registration_token(os.environ)) if _SETTINGS.self_described.registration else None
    ),
    published=verification.of_published(settings.published_keys(os.environ)),
)
