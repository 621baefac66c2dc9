"""The function `public`: metadata, keys, userinfo, health, version."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws, directory, key_ring, settings, verification
from service.client_store import ClientStore
from service.endpoints import public
from service.keys import PublicKeys, Vault
from service.storage import Store

_SETTINGS: Final = settings.load(os.environ, "public")

handler: Final = public.build(
    _SETTINGS,
    Store(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table, least_epoch=_SETTINGS.least_epoch),
    PublicKeys(aws.kms(), key_ring.of(os.environ, aws.dynamodb())),
    Vault(aws.kms(), settings.required(os.environ, "SESSION_KEY_ID"), _SETTINGS.environment),
    clients=directory.for_grants(
        _SETTINGS, ClientStore(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table), time.time
    ),
    published=verification.of_published(settings.published_keys(os.environ)),
)
