"""The function `authorize`: authorization requests and the login at the upstream identity provider."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws_clients, settings
from service.clients import registry
from service.endpoints import authorize
from service.keys.kms import SyntheticProof, Vault
from service.login.flow import LoginFlow
from service.storage.clients import ClientStore
from service.storage.grants import Store

_SETTINGS: Final = settings.load(os.environ, "authorize")
_CLIENTS: Final = ClientStore(aws_clients.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table)

handler: Final = authorize.build(
    _SETTINGS,
    LoginFlow(
        issuer=_SETTINGS.issuer,
        clients=registry.for_login(_SETTINGS, _CLIENTS, time.time),
        platforms=settings.read_platforms(os.environ, local=_SETTINGS.local),
        store=Store(
            aws_clients.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table, least_epoch=_SETTINGS.least_epoch
        ),
        vault=Vault(aws_clients.kms(), settings.required(os.environ, "SESSION_KEY_ID"), _SETTINGS.environment),
        proof=SyntheticProof(
            aws_clients.kms(), settings.required(os.environ, "SYNTHETIC_KEY_ID"), _SETTINGS.environment
        ),
        entropy=os.urandom,
    ),
    clients=registry.for_authorize(_SETTINGS, _CLIENTS, time.time),
)
