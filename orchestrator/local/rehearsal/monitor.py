"""Measures the service during a rehearsal: complete flows, acknowledged writes, and the alarms that fire."""

from __future__ import annotations

import http.client
import random
import threading
import time
import urllib.error
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.rehearsal.measurement import AcknowledgedWrite, Flow, KeptLogin
from orchestrator.local.oauth_client import LOCAL_CLIENTS, Connection, OAuthClient, Tokens, TrafficClient
from orchestrator.local.rehearsal_clients import connect, register

FLOW_SECONDS = 1.0
"""How often a flow and a registration begin."""
MOST_LOGINS = 20
"""So many logins of before the fault are tried at the end, the newest ones."""
_TRIES = 3
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""Any valid code challenge: the one of RFC 7636, appendix B."""


class ServiceMonitor:
    """Runs a flow and registers a client, again and again, from start to stop.

    A flow that fails is repeated once at once, as clients do: on a loaded machine a single request can time out.

    A registration is a write that the service acknowledges and that no restore invalidates on purpose, unlike a token.
    """

    def __init__(self, api_url: Callable[[], str], platform_url: str) -> None:
        self._api_url, self._platform_url = api_url, platform_url
        self._flows: list[Flow] = []
        self._registered: list[tuple[datetime, TrafficClient]] = []
        self._logins: list[tuple[datetime, Tokens]] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._run_flows, self._write)]

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Every flow that has ended, in the order of their starts."""
        return tuple(self._flows)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def read_writes_back(self) -> tuple[AcknowledgedWrite, ...]:
        """Return every acknowledged registration, and whether the service knows the client now."""
        with connect(self._api_url(), self._platform_url) as client:
            return tuple(AcknowledgedWrite(at, _known(client, registered)) for at, registered in self._registered)

    def read_logins_back(self, before: datetime) -> tuple[KeptLogin, ...]:
        """Return logins of before a time, and whether the service still accepts their refresh tokens.

        It ends at the first login for which the service did not answer.
        """
        tried: list[KeptLogin] = []
        with connect(self._api_url(), self._platform_url) as client:
            for at, tokens in [(at, tokens) for at, tokens in self._logins if at < before][-MOST_LOGINS:]:
                alive = _is_alive(client, tokens)
                if alive is None:
                    break
                tried.append(KeptLogin(at, alive))
        return tuple(tried)

    def _run_flows(self) -> None:
        while not self._stopping.wait(FLOW_SECONDS):
            service, platform = Connection(self._api_url()), Connection(self._platform_url)
            client = OAuthClient(service, platform, lambda _: None, random.Random())  # noqa: S311 - test traffic
            started = datetime.now(UTC)
            failed = self._attempt(client) and self._attempt(client)
            self._flows.append(Flow(started, failed))
            service.close()
            platform.close()

    def _attempt(self, client: OAuthClient) -> str:
        """Run one flow; return what failed, or nothing. No failure of the service or of the provider is an error."""
        try:
            return self._flow(client)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__

    def _flow(self, client: OAuthClient) -> str:
        """Run one flow and keep its login; return the step that failed, or nothing."""
        tokens = client.log_in(LOCAL_CLIENTS[0])
        if tokens is None:
            return "login"
        refreshed, _ = client.refresh(tokens)
        if refreshed is None:
            return "refresh"
        self._logins.append((datetime.now(UTC), refreshed))
        return "" if client.userinfo(refreshed).observation.status == HTTPStatus.OK else "userinfo"

    def _write(self) -> None:
        while not self._stopping.wait(FLOW_SECONDS):
            try:
                registered = register(self._api_url())
            except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
                continue  # not acknowledged; the flows show the failure
            self._registered.append((datetime.now(UTC), registered))


class AlarmWatch:
    """Notes when each alarm of a region first fires. One that fires already counts once it was OK in between.

    Attributes:
        firing: the alarms in ALARM at the newest reading.
        fired: when each alarm was first seen to fire.
    """

    SECONDS = 1.0

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self.firing: frozenset[str] = frozenset()
        self.fired: dict[str, datetime] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.firing = self._read(self.firing)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(self.SECONDS):
            firing = self._read(self.firing)
            for name in firing - self.firing:
                self.fired.setdefault(name, datetime.now(UTC))
            self.firing = firing

    def _read(self, before: frozenset[str]) -> frozenset[str]:
        try:
            pages = self._cloudwatch.get_paginator("describe_alarms").paginate(StateValue="ALARM")
            return frozenset(alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"])
        except (ClientError, BotoCoreError):
            return before  # the next reading is a second later


def _is_alive(client: OAuthClient, tokens: Tokens) -> bool | None:
    """Return whether a refresh token is accepted; None if the service did not answer."""
    for _ in range(_TRIES):
        refreshed, response = client.refresh(tokens)
        status = response.observation.status
        if refreshed is not None:
            return True
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and status:
            return False
        time.sleep(FLOW_SECONDS)
    return None


def _known(client: OAuthClient, registered: TrafficClient) -> bool:
    query = urlencode(
        {
            "response_type": "code",
            "client_id": registered.client_id,
            "redirect_uri": registered.redirect_uri,
            "scope": registered.scope,
            "state": "known",
            "code_challenge": _CHALLENGE,
            "code_challenge_method": "S256",
        }
    )
    for _ in range(_TRIES):
        status = client.get(f"/authorize?{query}").observation.status
        if status == HTTPStatus.OK:
            return True
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and status:
            return False
        time.sleep(FLOW_SECONDS)
    return False
