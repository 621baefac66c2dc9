"""Two measurements on the local cloud with real OAuth traffic.

Traffic split: do clients reach the versions in the requested proportion? A good release passes five weights. All counts
by step and function are combined in one chi-squared test at 99.9 %, so that many counts do not cause a false alarm.

Exposure: how long does a bad release affect clients? A release that returns handled 500s is deployed; the exposure is
the time from its first bad response until the last alias points at stable.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

from benchmarks import Line, report
from orchestrator.domain.deployment.record import Deployment
from orchestrator.local.demo.report import deployment_report
from orchestrator.local.deployed_environment import LocalEnvironment, local_environment
from orchestrator.local.traffic_generator import Traffic
from orchestrator.local.traffic_observations import ObservedResponse

SEED = 20261123
RATE_PER_SECOND = 24.0
WEIGHTS_PERCENT = (10, 25, 50, 75, 90)
BAKE_SECONDS = 12
CONFIDENCE = 0.999
BREACH_LIMIT_SECONDS = 30.0
TIMEOUT_SECONDS = 240.0


def chi_squared_limit(degrees: int, confidence: float) -> float:
    """Return a quantile of the chi-squared distribution (Wilson and Hilferty, within 1 % from 5 degrees on)."""
    z = NormalDist().inv_cdf(confidence)
    return float(degrees * (1 - 2 / (9 * degrees) + z * (2 / (9 * degrees)) ** 0.5) ** 3)


def split_statistic(deployment: Deployment, responses: Sequence[ObservedResponse]) -> tuple[float, int, list[str]]:
    """Return the sum of squared standardised differences of all counts, their number, and a text line for each step."""
    statistic, counts, lines = 0.0, 0, []
    ends = [shift.at.timestamp() for shift in deployment.shifts[1:]]
    for shift, end in zip(deployment.shifts, ends, strict=False):
        share, total, canary = shift.weight_percent / 100, 0, 0
        for function in deployment.functions:
            # A request in progress during the change may have been routed with the previous weight.
            matching = [
                response
                for response in responses
                if response.function == function.name and shift.at.timestamp() + 1 <= response.at < end
            ]
            hits = sum(response.version == function.canary_version for response in matching)
            statistic += (hits - share * len(matching)) ** 2 / (len(matching) * share * (1 - share))
            counts, total, canary = counts + 1, total + len(matching), canary + hits
        observed = f"{100 * canary / total:5.1f} % observed of {total} requests"
        lines.append(f"{shift.weight_percent:>3} % requested, {observed}")
    return statistic, counts, lines


def deploy_release(
    here: LocalEnvironment, release: str, weights_percent: Sequence[int], bake_seconds: int
) -> Deployment:
    """Put a release into $LATEST, deploy it with these steps, and wait for the end of the deployment."""
    here.deploy_release(release)
    steps = [{"weight_percent": weight, "bake_seconds": bake_seconds} for weight in weights_percent]
    here.start_deployment(f"d-{release}", strategy={"type": "canary", "steps": steps})
    return here.wait_for_deployment(f"d-{release}", TIMEOUT_SECONDS)


def main() -> int:
    """Run both measurements on one local cloud, and print the report."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local_environment(Path(folder), seed=SEED) as here,
        Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=SEED) as traffic,
    ):
        good = deploy_release(here, "good", WEIGHTS_PERCENT, BAKE_SECONDS)
        statistic, counts, step_lines = split_statistic(good, traffic.responses())
        bad = deploy_release(here, "token-500s", (50,), 60)
        breach = deployment_report(
            bad, traffic.responses(bad.requested_at.timestamp()), here.cloud.ledger.read_events(50)
        )["rollback"]
    exposure_seconds = breach["seconds_from_first_bad_response"]
    limit = chi_squared_limit(counts, CONFIDENCE)
    lines = [
        Line(
            f"traffic split, {counts} counts",
            statistic,
            "χ²",
            limit,
            f"{CONFIDENCE:.1%} quantile",
        ),
        Line("first bad response to all aliases on stable", exposure_seconds, "s", BREACH_LIMIT_SECONDS, "limit"),
    ]
    notes = [
        f"good release: {good.outcome}",
        *step_lines,
        f"bad release: {bad.outcome} by {breach['trigger']} ({breach['alarm']})",
        f"all aliases on stable at {breach['all_aliases_reverted_at']}",
        f"last response of the canary at {breach['last_response_of_canary_at']}",
    ]
    return report("traffic", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
