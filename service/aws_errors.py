"""Translation of botocore's errors into the service's own."""

from __future__ import annotations

from contextlib import AbstractContextManager

from botocore.exceptions import BotoCoreError, ClientError


class TranslatedErrors(AbstractContextManager[None]):
    """A context that raises `unavailable` in place of botocore's errors and of the errors in `others`.

    The message is AWS's error code, the class of an error without a response, or the message of one of the others.
    """

    def __init__(self, unavailable: type[Exception], *others: type[Exception]) -> None:
        self._unavailable = unavailable
        self._others = others

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            raise self._unavailable(code_of(error)) from error
        if isinstance(error, BotoCoreError):
            raise self._unavailable(type(error).__name__) from error
        if isinstance(error, self._others):
            raise self._unavailable(str(error)) from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return error.response.get("Error", {}).get("Code", "Unknown")
