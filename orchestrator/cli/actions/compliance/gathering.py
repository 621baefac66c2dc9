"""Run the controls of the chosen frameworks: one result for each. A reading that fails is never a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from orchestrator.aws.compliance_readings import ComplianceReadings
from orchestrator.aws.oauth_tables.user_data import UserDataStore
from orchestrator.cli.actions.checks.environment_checks import Checks
from orchestrator.cli.actions.checks.examine import examine
from orchestrator.cli.actions.compliance.issuer_checks import check_issuer
from orchestrator.cli.actions.compliance.template_sources import (
    check_rule_packs,
    expectations_of,
    find_templates,
    lint_templates,
    refuse_foreign_assembly,
)
from orchestrator.cli.context import Context, clients_of
from orchestrator.domain.compliance import data_protection_checks, infrastructure_checks
from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.data_protection_checks import (
    encryption_problem,
    expiry_problem,
    retention_problem,
)
from orchestrator.domain.compliance.practices_checks import (
    OF_DOCTOR,
    check_checklist,
    check_evidence_chain,
    check_false_alarm_budget,
    check_key_age,
    result_of_reading,
    trail_problem,
)
from orchestrator.domain.compliance.result import NotApplicable, NotChecked, Result, Status
from orchestrator.domain.compliance.templates import TemplateCheck, run_template_checks, subject_of
from orchestrator.domain.doctor.result import Result as Reading
from orchestrator.domain.doctor.result import failed, passed, skipped
from orchestrator.domain.names import PREFIX
from orchestrator.domain.user_erasure import Subject, erasure_cost

TRIAL_SUBJECT = "compliance:no-such-user"
TRIAL_UNITS_PER_SECOND, MOST_TRIAL_SECONDS = 200.0, 120
"""A trial erasure reads all tables; of larger ones, `orchestrator erase` is the check."""
LOG_GROUPS = (
    f"/aws/lambda/{PREFIX}",
    f"/aws/vendedlogs/states/{PREFIX}",
    f"/aws/apigateway/{PREFIX}",
    f"/aws/cloudtrail/{PREFIX}",
    f"aws-waf-logs-{PREFIX}",
)
"""The beginnings of the names of an environment's log groups."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Gathering:
    """The controls of an environment.

    Attributes:
        assembly: a folder that cdk synth wrote; None for the templates that are deployed.
        progress: called with what is checked next.
    """

    context: Context
    assembly: Path | None
    progress: Progress

    def results(self, frameworks: Sequence[Framework]) -> list[Result]:
        """Return one result for each control of the frameworks.

        Raises:
            Refused: the folder has no template of the environment.
        """
        of_framework: Mapping[Framework, Callable[[], Iterator[Result]]] = {
            Framework.OAUTH: self._oauth,
            Framework.INFRASTRUCTURE: self._infrastructure,
            Framework.DATA_PROTECTION: self._data_protection,
            Framework.PRACTICES: self._practices,
        }
        if self.assembly is not None:
            refuse_foreign_assembly(self.assembly, self.context.name)
        found = []
        for framework in frameworks:
            self.progress(framework)
            found += list(of_framework[framework]())
        return found

    def _oauth(self) -> Iterator[Result]:
        found: list[Result] = []

        def read() -> Reading:
            found.extend(check_issuer(self.context, lambda _: None))
            return passed("")

        reading = self._examined("issuer", read)
        controls = controls_of([Framework.OAUTH])
        yield from found or [
            Result(control.id, Status.NOT_CHECKED, reading.reason, reading.remedy) for control in controls
        ]

    def _infrastructure(self) -> Iterator[Result]:
        yield from self._of_templates(infrastructure_checks.CHECKS)

    def _data_protection(self) -> Iterator[Result]:
        yield from self._of_templates(data_protection_checks.TEMPLATE_CHECKS)
        own_keys = self.context.environment.customer_managed_keys
        readings, tables = self._readings, self._tables
        yield self._reading("data-tables-expire-now", lambda: expiry_problem(readings.read_expiry(tables)))
        yield self._reading(
            "data-encrypted-now",
            lambda: encryption_problem(readings.read_encryption(tables), customer_managed_keys=own_keys),
        )
        yield self._reading("data-log-retention-now", self._retention)
        yield self._reading("data-erasure-runs", self._try_erasure)
        yield self._reading("data-access-recorded", self._trails)

    def _practices(self) -> Iterator[Result]:
        checks = Checks(self.context, partial(clients_of, self.context.environment))
        for name, judge in checks.all():
            if name in OF_DOCTOR:
                yield result_of_reading(OF_DOCTOR[name], examine(name, judge, self.context.name).result)
        yield self._reading("practice-evidence-chain", self._evidence_chain)
        yield self._reading("practice-keys-rotated", self._key_age)
        thresholds = self.context.policy.limits.thresholds
        yield check_false_alarm_budget(thresholds.false_alarm_percent)
        yield check_checklist(self.context.policy.checklist, protected=self.context.environment.deletion_protection)
        self.progress("rule packs of cdk-nag, and cfn-lint")
        yield self._reading("practice-rule-packs", lambda: check_rule_packs(self.context, self.assembly))
        yield self._reading("practice-template-lint", self._lint)

    # --- templates ---------------------------------------------------------------------------------------

    @cached_property
    def _templates(self) -> tuple[Mapping[str, Mapping[str, Any]], Reading]:
        """The templates by stack, none if they could not be read; and why not."""
        found: dict[str, Mapping[str, Any]] = {}

        def read() -> Reading:
            found.update(find_templates(self.context, self.assembly))
            return passed("")

        return found, self._examined("templates", read)

    def _of_templates(self, checks: Mapping[str, TemplateCheck]) -> list[Result]:
        templates, reading = self._templates
        if templates:
            return run_template_checks(checks, subject_of(templates, expectations_of(self.context.environment)))
        return [Result(control, Status.NOT_CHECKED, reading.reason, reading.remedy) for control in checks]

    def _lint(self) -> str:
        templates, reading = self._templates
        if not templates:
            raise NotChecked(reading.reason, reading.remedy)
        return lint_templates(templates, self.context.environment.region)

    # --- readings ----------------------------------------------------------------------------------------

    @cached_property
    def _readings(self) -> ComplianceReadings:
        return ComplianceReadings(self.context.clients)

    @property
    def _tables(self) -> tuple[str, ...]:
        service = self.context.environment.service
        return (service.state_table, service.tokens_table, self.context.revocations_table)

    def _retention(self) -> str:
        groups = self._readings.read_log_retention(LOG_GROUPS, f"-{self.context.name}")
        if not groups:
            raise NotChecked(
                "no log group of the environment was found", "npx cdk deploy --all, then repeat the command"
            )
        return retention_problem(groups, self.context.environment.log_retention_days)

    def _try_erasure(self) -> str:
        store = UserDataStore(self.context.clients("dynamodb"), *self._tables, units_per_second=TRIAL_UNITS_PER_SECOND)
        seconds = erasure_cost(store.table_bytes(), TRIAL_UNITS_PER_SECOND).seconds
        if seconds > MOST_TRIAL_SECONDS:
            raise NotChecked(
                f"the tables are so large that a trial takes {seconds} s",
                f"orchestrator erase --env {self.context.name} --subject {TRIAL_SUBJECT}, which only counts",
            )
        counts = store.count_items(Subject(TRIAL_SUBJECT))
        return "" if counts.is_empty else f"items of {TRIAL_SUBJECT} were found"

    def _trails(self) -> str:
        if self.context.environment.local:
            return trail_problem((), {}, local=True)
        trails = self._readings.read_trails()
        return trail_problem(tuple(trails), trails, local=False)

    def _evidence_chain(self) -> str:
        return check_evidence_chain(self.context.cloud.evidence.verify_chain()).reason

    def _key_age(self) -> str:
        cloud, days = self.context.cloud, self.context.environment.key_rotation_days
        return check_key_age(cloud.key_ring.read_ring().signing.since, timedelta(days=days), cloud.now()).reason

    def _reading(self, control: str, find_problem: Callable[[], str]) -> Result:
        """Return the result of a control whose check reads something; an empty problem is a pass."""

        def read() -> Reading:
            problem = find_problem()
            return failed(problem, "") if problem else passed("")

        return result_of_reading(control, self._examined(control, read))

    def _examined(self, control: str, read: Callable[[], Reading]) -> Reading:
        def guarded() -> Reading:
            try:
                return read()
            except NotApplicable as error:
                return skipped(str(error))
            except NotChecked as error:
                return skipped(error.reason, error.remedy or "repeat the command")

        return examine(control, guarded, self.context.name).result
