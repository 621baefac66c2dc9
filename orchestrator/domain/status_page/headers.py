"""The headers with which the status page is served: by CloudFront, and by `orchestrator status-page serve`."""

from __future__ import annotations

from collections.abc import Mapping

PAGE_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'"
"""The policy that each page has in itself, too, for a reader who has saved it. The form for subscribers is sent to the
page's own host."""

CONTENT_SECURITY_POLICY = f"{PAGE_POLICY}; frame-ancestors 'none'"
"""The policy of the header. A page cannot set frame-ancestors for itself."""

HSTS_SECONDS = 63_072_000
"""Two years, which https://hstspreload.org/ recommends."""

PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=()"

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every file is served with. Strict-Transport-Security is added where the page is served by https."""
