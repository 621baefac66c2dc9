"""Run the conformance checks against the release whose `service` package is first on the path; print what fails.

    PYTHONPATH=RELEASE:REPOSITORY python -P -m tests.unit.probes.conformance.bad_release

It is a process of its own, because a process has one `service` package.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from orchestrator.domain.compliance.result import Status
from orchestrator.probes.conformance.run import run_checks
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.synthetic_client import SyntheticIdentity
from tests.fakes.oauth_api import ISSUER, SYNTHETIC_KEY, OAuthApi, pace


def main() -> None:
    """Print the file of the service, and the failing controls with their reasons, as JSON."""
    import service

    with contextlib.redirect_stdout(io.StringIO()):  # the service's log
        api = OAuthApi()
        results = run_checks(Session(api, ISSUER, SyntheticIdentity(api, SYNTHETIC_KEY, "test"), pace()))
    failing = {one.control: one.reason for one in results if one.status is Status.FAIL}
    sys.stdout.write(json.dumps({"service": service.__file__, "failing": failing}))


if __name__ == "__main__":
    main()
