"""The command `lint`: everything that is wrong with a settings file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from orchestrator import environments
from orchestrator.application import prices
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.cost.estimate import Usage
from orchestrator.domain.errors import Refused
from orchestrator.domain.printable import printable
from orchestrator.domain.recovery.backups.kinds import BackupKind, exports_of
from orchestrator.domain.recovery.backups.schedules import CAP, refuse_costly_drills
from orchestrator.domain.recovery.plan import recovery_cost
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.domain.texts import shortened
from orchestrator.environments.lint import findings
from orchestrator.environments.policies import in_environment
from orchestrator.environments.settings_document import SettingsFile, shown

VALID, INVALID = 0, 2
_GB = 1_000_000_000


def lint(file: Path, *, json: bool) -> int:
    """Print the findings in a settings file, by line; return the exit code: 0 without a finding, else 2."""
    found = findings(file) or costly_drills(file)
    if json:
        print_json({"file": shown(file), "findings": [_as_json(error) for error in found]})
    else:
        screen = console()
        for error in found:
            # Not wrapped, so that an editor finds FILE:LINE:COLUMN at the beginning of each line.
            screen.print(printable(_as_line(error)), markup=False, highlight=False, soft_wrap=True)
        screen.print(f"{shown(file)}: {len(found) or 'no'} finding{'' if len(found) == 1 else 's'}", markup=False)
    return INVALID if found else VALID


def costly_drills(file: Path) -> list[EnvironmentRefused]:
    """Return the environments of a valid file whose scheduled drills cost more than `recovery.max_monthly_usd`.

    The cost is that of the tables in `[….usage]`, at the region's prices.
    """
    settings = SettingsFile.read(file)
    found = []
    for name in settings.names:
        environment = environments.load(name, file)
        policy = RecoveryPolicy.parse(environment.recovery)
        gigabytes = Usage.parse(environment.usage, f"{name}.usage").stored_gb
        try:
            sizes, region = [round(gigabytes * _GB)], prices.load_prices(environment.region)
            costs = {
                kind: recovery_cost(sizes, policy.expiry, region, exports=exports_of(kind)).usd for kind in BackupKind
            }
            refuse_costly_drills(policy.schedules, costs, policy.max_monthly_usd, datetime.now(UTC))
        except Refused as error:
            if error.field == CAP:
                found.append(settings.located(in_environment(name, error)))
    return found


def _as_line(error: EnvironmentRefused) -> str:
    unlocated = EnvironmentRefused(error.field, error.value, error.remedy)
    return f"{error.file}:{error.line}:{error.column}: {unlocated}"


def _as_json(error: EnvironmentRefused) -> dict[str, object]:
    value = shortened(error.value) if isinstance(error.value, str) else error.value
    return {
        "file": error.file,
        "line": error.line,
        "column": error.column,
        "field": shortened(error.field),
        "value": value,
        "remedy": error.remedy,
    }
