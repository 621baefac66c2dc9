"""The function `public`: metadata, keys, userinfo, health and version."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws_clients, settings, token_verification
from service.clients import registry
from service.endpoints import public
from service.keys import key_ring
from service.keys.kms import PublicKeys, Vault
from service.storage.clients import ClientStore
from service.storage.grants import Store

_SETTINGS: Final = settings.load(os.environ, "public")

handler: Final = public.build(
    _SETTINGS,
    Store(aws_clients.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table, least_epoch=_SETTINGS.least_epoch),
    PublicKeys(aws_clients.kms(), key_ring.from_environment(os.environ, aws_clients.dynamodb())),
    Vault(aws_clients.kms(), settings.required(os.environ, "SESSION_KEY_ID"), _SETTINGS.environment),
    clients=registry.for_grants(
        _SETTINGS, ClientStore(aws_clients.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table), time.time
    ),
    published=token_verification.published_issuer(settings.read_published_keys(os.environ)),
)
