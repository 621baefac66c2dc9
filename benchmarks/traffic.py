"""Two questions to the local cloud under real OAuth traffic.

Do clients meet the versions in the proportion that was asked for? A good release goes through five weights, and every step of every function
is one count; all counts together are one chi-squared test at 99.9 %, so that many counts do not make a false alarm likely.

How long does a bad release hurt? A release that answers handled 500s is shipped, and the time from its first bad response to the last
alias restored is what clients had to bear.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

from benchmarks import Line, report
from orchestrator.domain.records import Deployment
from orchestrator.local.demo_report import report_of
from orchestrator.local.observations import Response
from orchestrator.local.stage import Stage, stage
from orchestrator.local.traffic import Traffic

SEED = 20261123
RATE_PER_SECOND = 24.0
WEIGHTS_PERCENT = (10, 25, 50, 75, 90)
BAKE_SECONDS = 12
CONFIDENCE = 0.999
BREACH_LIMIT_SECONDS = 30.0
PATIENCE_SECONDS = 240.0


def chi_squared_limit(degrees: int, confidence: float) -> float:
    """The quantile of the chi-squared distribution, by Wilson and Hilferty's approximation (within 1 % from 5 degrees on)."""
    z = NormalDist().inv_cdf(confidence)
    return float(degrees * (1 - 2 / (9 * degrees) + z * (2 / (9 * degrees)) ** 0.5) ** 3)


def split_statistic(deployment: Deployment, responses: Sequence[Response]) -> tuple[float, int, list[str]]:
    """Sum of squared standardised differences over steps and functions, how many they are, and a line for each step."""
    statistic, counts, told = 0.0, 0, []
    ends = [shift.at.timestamp() for shift in deployment.shifts[1:]]
    for shift, end in zip(deployment.shifts, ends, strict=False):
        share, seen, canary = shift.weight_percent / 100, 0, 0
        for function in deployment.functions:
            # A request that was under way while the weight changed may have been routed by the one before.
            answers = [
                one for one in responses if one.function == function.name and shift.at.timestamp() + 1 <= one.at < end
            ]
            hits = sum(one.version == function.canary_version for one in answers)
            statistic += (hits - share * len(answers)) ** 2 / (len(answers) * share * (1 - share))
            counts, seen, canary = counts + 1, seen + len(answers), canary + hits
        told.append(f"{shift.weight_percent:>3} % asked, {100 * canary / seen:5.1f} % observed of {seen} requests")
    return statistic, counts, told


def ship(here: Stage, release: str, weights_percent: Sequence[int], bake_seconds: int) -> Deployment:
    """Put a release into $LATEST, start its deployment with these steps, and wait for its end."""
    here.put_into_latest(release)
    steps = [{"weight_percent": weight, "bake_seconds": bake_seconds} for weight in weights_percent]
    here.start(f"d-{release}", strategy={"type": "canary", "steps": steps})
    return here.ended(f"d-{release}", PATIENCE_SECONDS)


def main() -> int:
    """Run both, on one local cloud."""
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder), seed=SEED) as here,
        Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND, seed=SEED) as traffic,
    ):
        good = ship(here, "good", WEIGHTS_PERCENT, BAKE_SECONDS)
        statistic, counts, told = split_statistic(good, traffic.responses())
        bad = ship(here, "token-500s", (50,), 60)
        breach = report_of(bad, traffic.responses(bad.requested_at.timestamp()), here.cloud.ledger.signals(50))[
            "rollback"
        ]
    hurt = breach["seconds_from_first_bad_response"]
    limit = chi_squared_limit(counts, CONFIDENCE)
    lines = [
        Line(f"split of {counts} counts against weights asked", statistic, "χ²", limit, f"{CONFIDENCE:.1%} quantile"),
        Line("first bad response to all aliases restored", hurt, "s", BREACH_LIMIT_SECONDS, "limit"),
    ]
    notes = [
        f"good release: {good.ending}",
        *told,
        f"bad release: {bad.ending} by {breach['trigger']} ({breach['alarm']})",
        f"all aliases restored at {breach['all_aliases_restored_at']}, last response of canary at {breach['last_response_of_canary_at']}",
    ]
    return report("traffic", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
