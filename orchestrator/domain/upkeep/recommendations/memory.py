"""Recommend a function's memory by what it used, and what the change saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

MEMORY = "memory"
SIZES_MB = (128, 192, 256, 384, 512, 768, 1024, 1536, 1769, 2048, 3072, 4096, 6144, 8192, 10_240)
"""The sizes that are recommended. Lambda gives CPU in proportion, a whole one at 1,769 MB.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
HEADROOM = 1.4
"""A size has this times the most that was used."""
TIGHT_PERCENT = 90
LEAST_INVOCATIONS = 1000
"""Fewer invocations in a week have not shown the most that a function needs."""
_MB_PER_GB, _MS_PER_S = 1024, 1000


@dataclass(frozen=True)
class MemoryUse:
    """What a function used in a week.

    Attributes:
        function: its short name.
        memory_mb: its size.
        most_used_mb: the most that an invocation used (`max_memory_used` of Lambda's REPORT lines).
        invocations_per_month: from those of the week.
        billed_ms: the average billed duration.
        p99_ms: the 99th percentile of its duration.
        slowest_ms: the p99 latency at which its alarm fires.
    """

    function: str
    memory_mb: int
    most_used_mb: float
    invocations_per_month: float
    billed_ms: float
    p99_ms: float
    slowest_ms: float

    def usd_per_month(self, memory_mb: int, price_per_gb_second: float) -> float:
        """Return the cost of its duration with a size, if the duration stays as it is."""
        seconds = self.invocations_per_month * self.billed_ms / _MS_PER_S
        return seconds * memory_mb / _MB_PER_GB * price_per_gb_second


def recommend_memory(
    uses: Sequence[MemoryUse], functions: Sequence[str], prices: Prices, env: str, *, weeks_per_month: float
) -> CheckResult:
    """Recommend the smallest size with `HEADROOM` that keeps the latency below its alarm.

    A smaller size has less CPU. So it is recommended only if the p99 would stay below the alarm even if the duration
    grew in proportion. The saving is the most that is possible: that of a duration that does not grow.

    Args:
        uses: of the functions whose use was recorded.
        functions: the short names of all functions.
        prices: of the environment's region.
        env: the environment's name.
        weeks_per_month: by which `invocations_per_month` was multiplied.
    """
    measured = [use for use in uses if use.invocations_per_month / weeks_per_month >= LEAST_INVOCATIONS]
    findings = [finding for use in measured if (finding := _finding(use, prices, env)) is not None]
    unknown = sorted(set(functions) - {use.function for use in measured})
    if unknown:
        reason = f"fewer than {LEAST_INVOCATIONS} invocations with a recorded memory use: {', '.join(unknown)}"
        return not_checked(MEMORY, reason, "repeat it after a week with traffic", findings)
    reason = "; ".join(f"{use.function} used {use.most_used_mb:.0f} of {use.memory_mb} MB" for use in measured)
    return found(MEMORY, findings, reason)


def _finding(use: MemoryUse, prices: Prices, env: str) -> Finding | None:
    price = prices.price_of("lambda_arm64_gb_second").usd
    tight = use.most_used_mb >= use.memory_mb * TIGHT_PERCENT / 100
    enough = [size for size in SIZES_MB if size >= use.most_used_mb * HEADROOM]
    # Of half the size the duration is at most twice as long.
    fast = [size for size in enough if use.p99_ms * use.memory_mb / size < use.slowest_ms]
    if tight:
        size = min((size for size in enough if size > use.memory_mb), default=SIZES_MB[-1])
        if size <= use.memory_mb:
            return None
    else:
        size = min(fast, default=use.memory_mb)
        if size >= use.memory_mb:
            return None
    saving = use.usd_per_month(use.memory_mb, price) - use.usd_per_month(size, price)
    setting = f"[{env}.service.functions.{use.function}] memory_mb = {size}"
    return Finding(
        MEMORY,
        use.function,
        Severity.HIGH if tight else Severity.LOW,
        Owner.OPERATORS,
        f"it used at most {use.most_used_mb:.0f} of {use.memory_mb} MB",
        {
            "memory_mb": use.memory_mb,
            "most_used_mb": ceil(use.most_used_mb),
            "invocations_per_month": round(use.invocations_per_month),
            "billed_ms": round(use.billed_ms, 1),
            "p99_ms": round(use.p99_ms, 1),
            "p99_ms_at_most": round(use.p99_ms * max(use.memory_mb / size, 1.0), 1),
        },
        f"set {setting} in environments.toml, npx cdk deploy, then orchestrator deploy --env {env}: the canary compares latency",
        setting=setting,
        saving_usd_per_month=None if tight else round(saving, 2),
    )
