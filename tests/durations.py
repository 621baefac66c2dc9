"""How long test files take: `make test` starts the longest first, and `make test-fast` leaves the long ones out."""

SECONDS: dict[str, int] = {
    "tests/e2e/test_least_privilege.py": 300,
    "tests/e2e/test_drill_checks.py": 200,
    "tests/e2e/test_main_job.py": 190,
    "tests/e2e/test_standing_environment.py": 120,
    "tests/e2e/test_configuration.py": 70,
    "tests/infrastructure/test_checks.py": 60,
    "tests/infrastructure/test_orchestrator_stack.py": 55,
    "tests/workflow/test_faults.py": 50,
    "tests/unit/service/test_releases.py": 40,
    "tests/infrastructure/test_snapshots.py": 35,
    "tests/infrastructure/test_service_stack.py": 25,
    "tests/edge/test_foreign_clients.py": 25,
    "tests/compatibility/test_flows.py": 22,
    "tests/edge/test_http.py": 20,
    "tests/unit/service/test_browser.py": 18,
    "tests/unit/domain/analysis/test_sequential_testing.py": 18,
    "tests/unit/test_rollouts.py": 20,
    "tests/unit/test_benchmarks.py": 14,
    "tests/unit/service/test_degraded.py": 14,
    "tests/unit/service/test_retention.py": 12,
    "tests/unit/service/test_hostile_requests.py": 10,
    "tests/unit/service/test_secrets.py": 8,
    "tests/unit/service/test_traffic.py": 8,
    "tests/unit/aws/ledger/test_deployments.py": 7,
}
"""Seconds of a file on two idle cores, for files that take longer than others; a rough figure is enough."""

DEFAULT_SECONDS = 1


def seconds_of(file: str) -> int:
    """Return how long a file takes, by its path from the repository's root."""
    return SECONDS.get(file, DEFAULT_SECONDS)
