"""The settings of the status page: ``[….status_page]``. Without the table the page has the default components."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.mail.settings import MailSettings, mail_table, read_mail
from orchestrator.domain.regions import REGION, REGION_REMEDY
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.setting_rules import Choice

FUNCTIONS = ("authorize", "token", "public")
"""The functions of the service that a component may consist of."""

MAX_COMPONENTS, MAX_TITLE, MAX_TEXT = 12, 100, 200
LARGEST_BYTES = 1500
"""Lambda allows 4 KB for all variables of a function."""

COMPONENT_ID = re.compile(r"[a-z][a-z0-9-]{0,30}")
_ACCOUNT = re.compile(r"\d{12}")
_ADDRESS = re.compile(r"https://[a-z0-9.-]{1,253}(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_CERTIFICATE = re.compile(r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]{36}")


@dataclass(frozen=True)
class Component:
    """A part of the service as clients know it.

    Attributes:
        id: in addresses and commands.
        functions: the service's functions of which it consists; their alarms and probes are the component's.
    """

    id: str
    name: str
    text: str
    functions: tuple[str, ...]


DEFAULT_COMPONENTS = (
    Component("login", "Login", "Logging in and giving consent", ("authorize",)),
    Component("tokens", "Tokens", "Issuing, refreshing and revoking tokens", ("token",)),
    Component("user-data", "User data and keys", "User information, metadata and public keys", ("public",)),
)


@dataclass(frozen=True)
class StatusPageSettings:
    """The settings of a status page.

    Attributes:
        enabled: whether the stack with the page's bucket exists, and the orchestrator publishes to it.
        address: where people read it, without a trailing slash; empty if it is not known yet.
        account: of the stack; empty for the environment's own.
        region: of the stack; empty while the page is not enabled.
        domain: the page's host name; empty for CloudFront's.
        certificate_arn: of the host name, in us-east-1, where CloudFront reads certificates.
        published_from: the least severity of incidents that the page publishes.
        subscribers: who sends e-mail to subscribers; None if the page has none.
    """

    enabled: bool = False
    title: str = "Service status"
    address: str = ""
    account: str = ""
    region: str = ""
    domain: str = ""
    certificate_arn: str = ""
    published_from: IncidentSeverity = IncidentSeverity.SEV2
    components: tuple[Component, ...] = DEFAULT_COMPONENTS
    subscribers: MailSettings | None = None

    @property
    def public_address(self) -> str:
        """The address of the page without a trailing slash; empty if neither an address nor a domain is set."""
        return self.address or (f"https://{self.domain}" if self.domain else "")


def read_status_page(settings: SettingsReader) -> StatusPageSettings:
    """Read the table ``status_page`` of an environment's table.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    if "status_page" not in settings:
        return StatusPageSettings()
    table, defaults = settings.table("status_page"), StatusPageSettings()
    domain = table.optional_text("domain", matching=_HOST, remedy="give a host name, such as status.example.com") or ""
    certificate = table.optional_text(
        "certificate_arn", matching=_CERTIFICATE, remedy="give the ARN of a certificate in us-east-1"
    )
    page = StatusPageSettings(
        enabled=table.flag("enabled", default=False),
        title=table.text("title", at_most=MAX_TITLE) if "title" in table else defaults.title,
        address=table.optional_text(
            "address", matching=_ADDRESS, remedy="give an https address without a slash at its end"
        )
        or "",
        account=table.optional_text("account", matching=_ACCOUNT, remedy="give the 12 digits of an account") or "",
        region=table.optional_text("region", matching=REGION, remedy=REGION_REMEDY) or "",
        domain=domain,
        certificate_arn=certificate or "",
        published_from=_read_severity(table),
        components=_read_components(table),
        subscribers=read_mail(table, "subscribers"),
    )
    table.refuse_unknown_keys()
    if bool(domain) != bool(certificate):
        missing = "certificate_arn" if domain else "domain"
        raise table.refused(missing, "", "give domain and certificate_arn together, or neither")
    return page


def _read_severity(table: SettingsReader) -> IncidentSeverity:
    if "published_from" not in table:
        return IncidentSeverity.SEV2
    return IncidentSeverity(table.choice("published_from", tuple(IncidentSeverity)))


def _read_components(table: SettingsReader) -> tuple[Component, ...]:
    if "components" not in table:
        return DEFAULT_COMPONENTS
    components = tuple(_read_component(entry) for entry in table.tables("components"))
    if not 1 <= len(components) <= MAX_COMPONENTS:
        raise table.refused("components", f"{len(components)} components", f"give 1 to {MAX_COMPONENTS}")
    ids = [component.id for component in components]
    for component_id in ids:
        if ids.count(component_id) > 1:
            raise table.refused("components", component_id, "give each component an id of its own")
    return components


def _read_component(entry: SettingsReader) -> Component:
    functions = entry.texts("functions", at_least=1, described_by=Choice(FUNCTIONS))
    for function in functions:
        if function not in FUNCTIONS:
            raise entry.refused("functions", function, f"give some of {', '.join(FUNCTIONS)}")
    component = Component(
        id=entry.text("id", matching=COMPONENT_ID, remedy="give lower-case letters, digits and hyphens, at most 31"),
        name=entry.text("name", at_most=MAX_TITLE),
        text=entry.text("text", at_most=MAX_TEXT) if "text" in entry else "",
        functions=functions,
    )
    entry.refuse_unknown_keys()
    return component


def encode_status_page(page: StatusPageSettings) -> str:
    """Return the settings as the text of an environment variable: what differs from the defaults."""
    defaults, table = StatusPageSettings(), {}
    for key in ("enabled", "title", "address", "account", "region", "domain", "certificate_arn", "published_from"):
        value = getattr(page, key)
        if value != getattr(defaults, key):
            table[key] = value
    if page.components != defaults.components:
        table["components"] = _encode_components(page.components)
    if page.subscribers is not None:
        table["subscribers"] = mail_table(page.subscribers)
    return json.dumps(table, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _encode_components(components: Sequence[Component]) -> Sequence[Mapping[str, object]]:
    return [
        {"id": one.id, "name": one.name, "functions": one.functions, **({"text": one.text} if one.text else {})}
        for one in components
    ]


def decode_status_page(text: str) -> StatusPageSettings:
    """Return the settings that `encode_status_page` encoded."""
    return read_status_page(SettingsReader("", {"status_page": json.loads(text)}))
