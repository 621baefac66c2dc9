"""The badge: the state of the page as an SVG image, for the pages of others."""

from __future__ import annotations

from html import escape

from orchestrator.domain.status_page.component_state import LABELS, ComponentState
from orchestrator.domain.status_page.page import StatusPage

COLOURS = {
    ComponentState.OPERATIONAL: "#0f6b3a",
    ComponentState.MAINTENANCE: "#1d4f91",
    ComponentState.UNKNOWN: "#51606e",
    ComponentState.DEGRADED: "#7a4b00",
    ComponentState.PARTIAL_OUTAGE: "#a11222",
    ComponentState.MAJOR_OUTAGE: "#a11222",
}
"""White text has a contrast of more than 5:1 on each of them."""

_NAME_WIDTH, _CHARACTER, _PADDING, _HEIGHT = 52, 7, 16, 20


def render_badge(page: StatusPage) -> str:
    """Return the image. It has no script, no style and no link."""
    label = LABELS[page.state].lower()
    width = _PADDING + _CHARACTER * len(label)
    text = escape(f"status: {label}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_NAME_WIDTH + width}" height="{_HEIGHT}" role="img"'
        f' aria-label="{text}"><title>{text}</title>'
        f'<rect width="{_NAME_WIDTH}" height="{_HEIGHT}" fill="#16202a"/>'
        f'<rect x="{_NAME_WIDTH}" width="{width}" height="{_HEIGHT}" fill="{COLOURS[page.state]}"/>'
        '<g fill="#fff" font-family="Verdana,Geneva,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{_NAME_WIDTH // 2}" y="14">status</text>'
        f'<text x="{_NAME_WIDTH + width // 2}" y="14" textLength="{width - _PADDING}">{escape(label)}</text>'
        "</g></svg>\n"
    )
