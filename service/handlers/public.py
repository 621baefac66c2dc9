"""The function `public`: metadata, keys, userinfo, health, version."""

from __future__ import annotations

import os
from typing import Final

from service import aws, settings
from service.endpoints import public
from service.keys import PublicKeys, Vault
from service.storage import Store

_SETTINGS: Final = settings.load(os.environ, "public")

handler: Final = public.build(
    _SETTINGS,
    Store(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table),
    PublicKeys(aws.kms(), settings.published_keys(os.environ)),
    Vault(aws.kms(), settings.required(os.environ, "SESSION_KEY_ID"), _SETTINGS.environment),
)
