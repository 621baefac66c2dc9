"""Secrets Manager: the text of a secret, and the keys of signed links."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.signed_links import read_key

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version"""


def read_secret_text(secrets: Any, secret: str, **params: str) -> str:
    """Return the text of a secret.

    Args:
        secrets: botocore's Secrets Manager client.
        secret: its ARN.
        params: further parameters of GetSecretValue, such as ``VersionStage``.

    Raises:
        ClientError: it does not exist, or must not be read.
        KeyError: it has no text.
        Throttled, Unreachable: Secrets Manager did not answer.
    """
    with translate_errors():
        return str(secrets.get_secret_value(SecretId=secret, **params)["SecretString"])


class LinkKeys:
    """Reads the keys of signed links: the current one, and the one before it while links of it are valid.

    Args:
        secrets: botocore's Secrets Manager client.
        secret: the ARN of the secret.
    """

    def __init__(self, secrets: Any, secret: str) -> None:
        self._secrets, self._secret = secrets, secret

    def read_keys(self) -> tuple[bytes, ...]:
        """Return the key that signs, followed by the one before it if there is one.

        Raises:
            ValueError: a key is too short.
            Throttled, Unreachable: Secrets Manager did not answer.
        """
        current = self._read(CURRENT)
        try:
            return (current, self._read(PREVIOUS))
        except ClientError as error:
            # A secret that was never replaced has no previous version.
            if error_code(error) != "ResourceNotFoundException":
                raise
            return (current,)

    def _read(self, stage: str) -> bytes:
        return read_key(read_secret_text(self._secrets, self._secret, VersionStage=stage))
