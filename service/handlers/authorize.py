"""The function `authorize`: authorization requests and the login at the upstream platform."""

from __future__ import annotations

import os
import time
from typing import Final

from service import aws, directory, settings
from service.client_store import ClientStore
from service.endpoints import authorize
from service.keys import SyntheticProof, Vault
from service.login_flow import LoginFlow
from service.storage import Store

_SETTINGS: Final = settings.load(os.environ, "authorize")
_CLIENTS: Final = ClientStore(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table)

handler: Final = authorize.build(
    _SETTINGS,
    LoginFlow(
        issuer=_SETTINGS.issuer,
        clients=directory.for_login(_SETTINGS, _CLIENTS, time.time),
        platforms=settings.platforms(os.environ, local=_SETTINGS.local),
        store=Store(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table, least_epoch=_SETTINGS.least_epoch),
        vault=Vault(aws.kms(), settings.required(os.environ, "SESSION_KEY_ID"), _SETTINGS.environment),
        proof=SyntheticProof(aws.kms(), settings.required(os.environ, "SYNTHETIC_KEY_ID"), _SETTINGS.environment),
        entropy=os.urandom,
    ),
    clients=directory.for_authorize(_SETTINGS, _CLIENTS, time.time),
)
