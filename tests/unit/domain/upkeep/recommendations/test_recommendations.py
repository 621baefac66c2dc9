"""Recommendations: the setting to change, and what it saves at the prices of the list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.application.prices import load_prices
from orchestrator.domain.upkeep.finding import Severity
from orchestrator.domain.upkeep.recommendations.concurrency import ConcurrencyUse, recommend_concurrency
from orchestrator.domain.upkeep.recommendations.log_retention import LogGroup, recommend_retention
from orchestrator.domain.upkeep.recommendations.memory import MemoryUse, recommend_memory
from orchestrator.domain.upkeep.recommendations.table_capacity import TableUse, UnitsUse, recommend_capacity
from orchestrator.domain.upkeep.recommendations.throttles import recommend_throttle
from orchestrator.domain.upkeep.result import Status

PRICES = load_prices("us-west-1")
TOKEN = MemoryUse("token", 512, 120.0, 10_000_000, 40.0, 300.0, 3000.0)


def memory(*uses, functions=("token",)):
    return recommend_memory(uses, functions, PRICES, "prod", weeks_per_month=4.0)


@pytest.mark.strategy("Monitoring & Optimization: Cost optimization")
def test_an_oversized_function_is_found_with_its_saving_and_its_setting():
    result = memory(TOKEN)
    (finding,) = result.findings
    # 10 million invocations of 40 ms are 400,000 s; 320 MB less are 125,000 GB s at 0.0000133334 USD.
    assert (finding.subject, finding.severity) == ("token", Severity.LOW)
    assert finding.setting == "[prod.service.functions.token] memory_mb = 192"
    assert finding.saving_usd_per_month == pytest.approx(1.67)
    assert finding.evidence["p99_ms_at_most"] == 800.0
    assert finding.setting in finding.remedy


@pytest.mark.parametrize(
    ("use", "memory_mb"),
    [
        (replace(TOKEN, p99_ms=1400.0), 256),
        (replace(TOKEN, p99_ms=2900.0), None),
        (replace(TOKEN, p99_ms=3100.0), None),
        (replace(TOKEN, most_used_mb=300.0), None),
        (replace(TOKEN, most_used_mb=470.0), 768),
        (replace(TOKEN, memory_mb=10_240, most_used_mb=10_200.0), None),
        (replace(TOKEN, memory_mb=9000, most_used_mb=8900.0), 10_240),
    ],
)
def test_a_size_keeps_headroom_and_the_latency_below_its_alarm(use, memory_mb):
    settings = [one.setting for one in memory(use).findings]
    assert settings == ([f"[prod.service.functions.token] memory_mb = {memory_mb}"] if memory_mb else [])


def test_a_function_that_nearly_exceeds_its_memory_is_urgent_and_saves_nothing():
    (finding,) = memory(replace(TOKEN, most_used_mb=470.0)).findings
    assert (finding.severity, finding.saving_usd_per_month) == (Severity.HIGH, None)


def test_functions_without_enough_recorded_invocations_are_not_checked():
    result = memory(TOKEN, replace(TOKEN, function="public", invocations_per_month=3999), functions=("public", "token"))
    assert (result.status, len(result.findings)) == (Status.NOT_CHECKED, 1)
    assert result.reason.endswith(": public")
    assert memory(replace(TOKEN, most_used_mb=300.0)).reason == "token used 300 of 512 MB"


def concurrency(**changes):
    use = replace(ConcurrencyUse("token", 512, None, 0, 12.0), **changes)
    return recommend_concurrency([use], PRICES, "prod")


@pytest.mark.strategy("Monitoring: Optimization recommendations")
def test_provisioned_concurrency_that_is_not_used_is_found_with_its_saving():
    (finding,) = concurrency(provisioned=20).findings
    # 8 environments of half a GB for 730 hours at 0.0000033334 USD a GB s.
    assert finding.saving_usd_per_month == pytest.approx(8 * 0.5 * 730 * 3600 * 0.0000033334, abs=0.01)
    assert finding.setting == "[prod.service.functions.token] provisioned_concurrency = 12"


@pytest.mark.parametrize(
    ("changes", "setting", "severity"),
    [
        ({"reserved": 100}, "reserved_concurrency = 24", Severity.LOW),
        ({"reserved": 14}, "reserved_concurrency = 24", Severity.HIGH),
        ({"reserved": 30}, None, None),
        ({"reserved": 10, "peak": 0.0}, None, None),
        ({"reserved": 12, "peak": 2.0}, "reserved_concurrency = 10", Severity.LOW),
        ({"reserved": 1, "peak": 1.0}, "reserved_concurrency = 10", Severity.HIGH),
        ({"provisioned": 12}, None, None),
    ],
)
def test_a_reservation_follows_the_peak(changes, setting, severity):
    found = concurrency(**changes).findings
    assert [(one.setting, one.severity) for one in found] == (
        [(f"[prod.service.functions.token] {setting}", severity)] if setting else []
    )


def test_concurrency_without_a_limit_does_not_apply_and_without_a_peak_is_not_checked():
    assert concurrency().status is Status.NOT_APPLICABLE
    assert concurrency(reserved=10, peak=None).status is Status.NOT_CHECKED
    assert concurrency(reserved=30).reason == "token peak 12, reserved 30, provisioned 0"


def units(per_second, most=None):
    return UnitsUse(per_second * 730 * 3600, per_second * 3, per_second, most)


def capacity(reads, writes, *, provisioned=False, most=None):
    use = TableUse("tokens", units(reads, most), units(writes, most))
    return recommend_capacity([use], PRICES, "prod", provisioned=provisioned, target_percent=70)


def test_steady_tables_are_cheaper_provisioned():
    result = capacity(50, 20)
    (finding,) = result.findings
    on_demand = 50 * 2.628 * 0.1395 + 20 * 2.628 * 0.695
    provisioned = 730 * (72 * 0.000145 + 29 * 0.000725)
    assert finding.saving_usd_per_month == pytest.approx(on_demand - provisioned, abs=0.01)
    assert finding.setting == (
        '[prod.stores] capacity = "provisioned"; [prod.stores.units.tokens] most_reads = 300, most_writes = 120'
    )
    assert f"{on_demand:.2f} USD a month on demand" in result.reason


def test_idle_tables_are_cheaper_on_demand():
    use = TableUse("tokens", UnitsUse(1000, 1, 0.0), UnitsUse(1000, 1, 0.0))
    idle = recommend_capacity([use] * 3, PRICES, "prod", provisioned=True, target_percent=70)
    assert [one.setting for one in idle.findings] == ['[prod.stores] capacity = "on-demand"']
    assert capacity(0.001, 0.001).status is Status.CLEAR


def test_what_autoscaling_always_provisions_is_paid_for():
    use = TableUse("tokens", UnitsUse(1000, 1, 0.0, 100, 20), UnitsUse(1000, 1, 0.0, 100, 10))
    (finding,) = recommend_capacity([use], PRICES, "prod", provisioned=True, target_percent=70).findings
    assert finding.evidence["now_usd_per_month"] == pytest.approx(730 * (20 * 0.000145 + 10 * 0.000725), abs=0.01)


@pytest.mark.strategy("Monitoring & Optimization: Resource scaling")
def test_a_table_at_its_limit_is_urgent():
    found = capacity(50, 1, provisioned=True, most=100).findings
    assert [(one.subject, one.severity, one.setting) for one in found] == [
        ("tokens reads", Severity.HIGH, "[prod.stores.units.tokens] most_reads = 300")
    ]


def test_tables_without_consumed_units_are_not_checked():
    result = recommend_capacity([], PRICES, "prod", provisioned=False, target_percent=70)
    assert result.status is Status.NOT_CHECKED


def test_a_shorter_retention_of_large_logs_is_found_with_its_saving():
    groups = [LogGroup("/aws/lambda/a", 900_000_000_000, 90), LogGroup("/aws/lambda/b", 1_000_000_000, 14)]
    result = recommend_retention(groups, PRICES, "prod")
    (finding,) = result.findings
    assert finding.saving_usd_per_month == pytest.approx(900 * (1 - 30 / 90) * 0.033)
    assert finding.setting == "[prod] log_retention_days = 30"
    assert finding.evidence == {"stored_gb": 901.0, "longest_days": 90}


def test_a_log_group_that_never_expires_is_found():
    (finding,) = recommend_retention([LogGroup("/aws/lambda/a", 0, None)], PRICES, "prod").findings
    assert (finding.subject, finding.severity) == ("/aws/lambda/a", Severity.MEDIUM)


def test_small_logs_are_clear_and_no_log_group_is_no_pass():
    small = recommend_retention([LogGroup("/aws/lambda/a", 1_000_000_000, 90)], PRICES, "prod")
    assert (small.status, small.reason) == (Status.CLEAR, "1 log groups store 1.000 GB for 0.03 USD a month")
    assert recommend_retention([], PRICES, "prod").status is Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("peak", "wanted", "severity"),
    [(85.0, 340, Severity.HIGH), (40.0, None, None), (4.0, 20, Severity.LOW), (0.0, 20, Severity.LOW)],
)
def test_a_throttle_follows_the_peak(peak, wanted, severity):
    found = recommend_throttle(peak, 100, "prod").findings
    assert [one.severity for one in found] == ([severity] if severity else [])
    if wanted:
        assert found[0].setting == (
            f"[prod.service] throttle_requests_per_second = {wanted}, throttle_burst_requests = {2 * wanted}"
        )


def test_a_small_throttle_stays_and_an_unmeasured_one_is_not_checked():
    assert recommend_throttle(0.1, 20, "prod").status is Status.CLEAR
    assert recommend_throttle(None, 100, "prod").status is Status.NOT_CHECKED
