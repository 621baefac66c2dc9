"""The function `token`: token requests. It alone may sign."""

from __future__ import annotations

import os
from typing import Final

from service import aws, settings
from service.endpoints import token
from service.keys import Signer
from service.storage import Store

_SETTINGS: Final = settings.load(os.environ, "token")

handler: Final = token.build(
    _SETTINGS,
    Store(aws.dynamodb(), _SETTINGS.state_table, _SETTINGS.tokens_table),
    Signer(aws.kms(), settings.required(os.environ, "SIGNING_KEY_ID")),
)
