"""All controls, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.compliance.catalogue import (
    data_protection,
    infrastructure,
    oauth_authorization,
    oauth_discovery,
    oauth_resources,
    oauth_tokens,
    practices,
)
from orchestrator.domain.compliance.control import Control, Framework

CONTROLS: tuple[Control, ...] = (
    *oauth_discovery.CONTROLS,
    *oauth_authorization.CONTROLS,
    *oauth_tokens.CONTROLS,
    *oauth_resources.CONTROLS,
    *infrastructure.CONTROLS,
    *data_protection.CONTROLS,
    *practices.CONTROLS,
)


def controls_of(frameworks: Iterable[Framework]) -> tuple[Control, ...]:
    """Return the controls of some frameworks."""
    chosen = frozenset(frameworks)
    return tuple(control for control in CONTROLS if control.framework in chosen)
