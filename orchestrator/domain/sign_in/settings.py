"""Settings of the console's sign-in: ``[….console]``. Without the table there is no sign-in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.schema import SettingsReader


class Role(StrEnum):
    """What a person may do on the console. An operator may also do what a viewer may."""

    VIEWER = "viewer"
    OPERATOR = "operator"

    @property
    def scope(self) -> str:
        """The scope that a token of this role has."""
        return f"console:{self}"


BASE_SCOPES = ("openid", "profile")
"""What every sign-in requests, in addition to its role: the ID token, and the person's name."""
CLIENT_SCOPES = ("profile", Role.VIEWER.scope, Role.OPERATOR.scope)
"""What the console's client must be allowed; every client may request `openid`."""
CALLBACK_PATH = "/signed-in"
LOOPBACK_REDIRECT = f"http://127.0.0.1{CALLBACK_PATH}"
"""Registered without a port: a native application listens on any (RFC 8252 §7.3)."""
SESSION_HOURS = (1, 24)
DEFAULT_SESSION_HOURS = 8
MOST_SUBJECT_CHARACTERS = 200

_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_ADDRESS = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?")
_SUBJECT = re.compile(r"[^\s:]+:[^\s\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class SignInSettings:
    """Who may sign in to the console of an environment.

    Attributes:
        client_id: the console's own client at the OAuth service.
        viewers, operators: the permitted subjects of each role, such as ``example:4711``.
        address: the https address of a proxy that ends TLS before the console; empty on loopback.
        session_hours: after which a person has to sign in again.
    """

    client_id: str
    viewers: tuple[str, ...]
    operators: tuple[str, ...]
    address: str = ""
    session_hours: int = DEFAULT_SESSION_HOURS

    @property
    def redirect_uri(self) -> str:
        """The redirect URI that the client must have."""
        return f"{self.address}{CALLBACK_PATH}" if self.address else LOOPBACK_REDIRECT

    def permitted_role(self, subject: str) -> Role | None:
        """Return the role that the settings give to a subject; None for a person who is not listed."""
        if subject in self.operators:
            return Role.OPERATOR
        return Role.VIEWER if subject in self.viewers else None

    def role_of(self, subject: str, scopes: Collection[str]) -> Role | None:
        """Return the role of a session: the settings permit it, and the token has its scope.

        Args:
            subject: of the token.
            scopes: of the token. A person may sign in with less than they are permitted.
        """
        permitted = self.permitted_role(subject)
        if permitted is Role.OPERATOR and Role.OPERATOR.scope in scopes:
            return Role.OPERATOR
        # The scope of operators includes what viewers may.
        granted = Role.VIEWER.scope in scopes or Role.OPERATOR.scope in scopes
        return Role.VIEWER if permitted is not None and granted else None


@dataclass(frozen=True)
class ClientFacts:
    """What the settings of a client say that its sign-in depends on.

    Attributes:
        confidential: whether it has a secret.
        own_audience: whether its tokens are for something else than the issuer.
        synthetic: whether it is the synthetic identity.
    """

    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    confidential: bool
    own_audience: bool
    synthetic: bool


def read_sign_in(settings: SettingsReader) -> SignInSettings | None:
    """Read the ``console`` of an environment's table; None without one.

    Args:
        settings: the environment's table.

    Raises:
        Refused: a setting is wrong, or no person could sign in. The error names the field, the value and the remedy.
    """
    if "console" not in settings:
        return None
    table = settings.table("console")
    read = SignInSettings(
        client_id=table.text("client_id", matching=_CLIENT_ID, remedy="give the client_id of a client of the service"),
        viewers=_subjects(table, "viewers"),
        operators=_subjects(table, "operators"),
        address=table.optional_text(
            "address", matching=_ADDRESS, remedy="give an https address without a path and a trailing slash"
        )
        or "",
        session_hours=table.whole_number("session_hours", *SESSION_HOURS, default=DEFAULT_SESSION_HOURS),
    )
    table.refuse_unknown_keys()
    if not read.viewers and not read.operators:
        raise table.refused("operators", [], "list at least one subject as operator or viewer: no person could sign in")
    both = next((subject for subject in read.viewers if subject in read.operators), None)
    if both is not None:
        raise table.refused("viewers", both, "list a subject once: an operator may do what a viewer may")
    return read


def _subjects(table: SettingsReader, key: str) -> tuple[str, ...]:
    subjects = table.texts(key)
    for number, subject in enumerate(subjects):
        if len(subject) > MOST_SUBJECT_CHARACTERS or not _SUBJECT.fullmatch(subject):
            raise table.refused(key, subject, 'give subjects as "PROVIDER:ID"; the page of a refused sign-in shows it')
        if subject in subjects[:number]:
            raise table.refused(key, subject, "list each subject once")
    return subjects


def refuse_unusable_sign_in(
    sign_in: SignInSettings, clients: Mapping[str, ClientFacts], providers: Collection[str], table: SettingsReader
) -> None:
    """Refuse a sign-in that could not work with the service's settings.

    Args:
        sign_in: the settings of the console.
        clients: of the service, by their ids.
        providers: the names of the service's identity providers, with which subjects begin.
        table: the environment's table.

    Raises:
        Refused: the client is missing or not fit, or a subject is of no provider.
    """
    path = "console.client_id"
    client = clients.get(sign_in.client_id)
    if client is None:
        raise table.refused(path, sign_in.client_id, f"name a client of service.clients: {', '.join(clients)}")
    if client.confidential or client.synthetic:
        raise table.refused(path, sign_in.client_id, "name a client without a secret that is not the synthetic one")
    if client.own_audience:
        remedy = "remove the client's `audience`: the console reads the person's name with its token"
        raise table.refused(path, sign_in.client_id, remedy)
    missing = [scope for scope in CLIENT_SCOPES if scope not in client.scopes]
    if missing:
        raise table.refused(path, sign_in.client_id, f"give the client the scopes {' '.join(missing)}")
    if sign_in.redirect_uri not in client.redirect_uris:
        raise table.refused(path, sign_in.client_id, f"give the client the redirect URI {sign_in.redirect_uri}")
    for key, subjects in (("viewers", sign_in.viewers), ("operators", sign_in.operators)):
        for subject in subjects:
            if subject.partition(":")[0] not in providers:
                remedy = f"begin it with a name of service.platforms: {', '.join(sorted(providers))}"
                raise table.refused(f"console.{key}", subject, remedy)
