"""The orchestrator's stack: ledger, bus, topics, task functions, event handlers with their rules, and alarms.

`cdk_app.py` adds the state machines (state_machines.py), which refer to the task functions of this stack. The functions
refer to the state machines by name only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.arns import role_arn, state_machine_arn, table_arn, vault_arn
from infrastructure.backups.roles import BACKUP_ROLE
from infrastructure.common import EnvironmentStack, SigningKeys, removal_policy_of
from infrastructure.iam import own_account_service
from infrastructure.keys import create_key
from infrastructure.lambda_functions import Package, create_function
from infrastructure.nag import suppress_nag
from infrastructure.naming import physical_name
from infrastructure.orchestrator.acknowledgement import ACKNOWLEDGE_INCIDENT, Acknowledgement
from infrastructure.orchestrator.alarms import create_alarms
from infrastructure.orchestrator.buckets import create_evidence_bucket, create_exports_bucket, heads_bucket_name
from infrastructure.orchestrator.budget import create_cost_alerts
from infrastructure.orchestrator.drill_resources import create_drill_resources
from infrastructure.orchestrator.event_rules import (
    create_bus,
    create_drill_schedules,
    create_event_rules,
    create_trace_rule,
)
from infrastructure.orchestrator.evidence_keys import create_evidence_keys
from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS, FunctionSpec
from infrastructure.orchestrator.iam_arns import (
    NOTIFICATION_DEAD_LETTERS,
    CreatedResources,
    Resources,
    resource_arns,
)
from infrastructure.orchestrator.iam_conditions import resource_conditions
from infrastructure.orchestrator.iam_policies import policy_statements, wildcard_reasons
from infrastructure.orchestrator.notifications import (
    allow_polling,
    connect_notifications,
    create_notification_queues,
)
from infrastructure.orchestrator.pipeline_roles import create_pipeline_role, create_promotion_role
from infrastructure.orchestrator.status_page import (
    PUBLISH_STATUS_PAGE,
    connect_status_page,
    status_page_variables,
)
from infrastructure.queues import create_dead_letters
from infrastructure.service.tables import declared_settings
from infrastructure.standby.copies import create_copies_alarm, replicate_evidence
from infrastructure.standby.failover import (
    create_failover_alarms,
    create_restore_role,
    create_schedules,
    failover_handlers,
    failover_variables,
    hosts_failover,
)
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from infrastructure.topics import create_topic
from orchestrator.domain.deployment.policy import encode_policy
from orchestrator.domain.incidents.policy import encode_policy as encode_policy_of_incidents
from orchestrator.domain.incidents.regions import STANDBY
from orchestrator.domain.mail.settings import encode_mail
from orchestrator.domain.notifications.destinations import encode_destinations
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.environments import Environment


class OrchestratorStack(EnvironmentStack):
    """The orchestrator of one environment.

    Args:
        scope: the app.
        environment: the environment.
        package: the code of all functions.
        service: the service's settings for the orchestrator (`ServiceStack.service_settings`).
        signing_keys: the service's signing keys.
        service_variables_key: encrypts the variables of the service's functions; None if AWS's own key does.

    Attributes:
        tasks: task functions by module, for the state machines.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        package: Package,
        service: Mapping[str, Any],
        signing_keys: SigningKeys,
        service_variables_key: kms.IKey | None,
    ) -> None:
        super().__init__(
            scope,
            environment,
            "orchestrator",
            f"Deployment, rollback and recovery of the OAuth service ({environment.name})",
        )
        suppress_nag(self, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
        self._package, self._signing_keys = package, signing_keys
        self._service_variables_key = service_variables_key
        self._ledger_key = self._key("ledger", "Encrypts the ledger") if environment.customer_managed_keys else None
        # Always a customer managed key: CloudWatch alarms cannot publish to a topic that AWS's own key encrypts.
        self._topics_key = self._key("topics", "Encrypts notifications to operators and clients")
        self._evidence_key = self._key("evidence", "Encrypts evidence") if environment.customer_managed_keys else None
        self._variables_key = (
            self._key("task-variables", "Encrypts the environment variables of tasks and event handlers")
            if environment.customer_managed_keys
            else None
        )
        text, number = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER
        self._ledger = self._table(
            "ledger", dynamodb.Attribute(name="pk", type=text), dynamodb.Attribute(name="sk", type=text)
        )
        self._heartbeats = self._table(
            "heartbeats",
            dynamodb.Attribute(name="monitored_table", type=text),
            dynamodb.Attribute(name="second", type=number),
        )
        self._evidence = create_evidence_bucket(self, environment, self._evidence_key)
        if environment.standby_region:
            replicate_evidence(self, environment, self._evidence, self._evidence_key)
        self._evidence_keys = create_evidence_keys(self, environment)
        self._exports = create_exports_bucket(self, environment, self._evidence_key)
        self._bus = create_bus(self, environment)
        create_promotion_role(self, environment, self._bus)
        self._topics = {name: self._topic(name) for name in ("operators", "clients")}
        create_cost_alerts(self, environment, self._topics["operators"], self._topics_key)
        self._dead_letters = create_dead_letters(self, environment, "dead-letters")
        self._drill_resources = create_drill_resources(
            self,
            environment,
            tables=table_arn(self, physical_name("drill-*", environment)),
            synthetic_key=service["synthetic_key_id"],
            data_key=signing_keys.data_key,
        )
        resources = self._resources(service)
        create_pipeline_role(self, environment, resources)
        variables = self._variables(service)
        self.tasks = {name: self._task(name, spec, resources, variables) for name, spec in TASKS.items()}
        handlers = {
            name: self._event_handler(name, spec, resources, variables) for name, spec in EVENT_HANDLERS.items()
        }
        state_machines = {
            name: state_machine_arn(self, environment, name) for name in ("deployment", "rollback", "restore")
        }
        create_event_rules(
            self,
            environment,
            self._bus,
            handlers,
            self._dead_letters,
            alarms=service["alarms"],
            state_machines=list(state_machines.values()),
            drill_state_machine=state_machine_arn(self, environment, "drill"),
        )
        acknowledgement = Acknowledgement(self, environment) if environment.acknowledgement.enabled else None
        variables = {
            **variables,
            "NOTIFICATIONS": encode_destinations(environment.notifications),
            "ACKNOWLEDGEMENT_ADDRESS": acknowledgement.address if acknowledgement else "",
            "LINK_KEY": acknowledgement.key.secret_arn if acknowledgement else "",
        }
        if acknowledgement:
            spec = OPTIONAL_HANDLERS[ACKNOWLEDGE_INCIDENT]
            acknowledgement.connect(self._event_handler(ACKNOWLEDGE_INCIDENT, spec, resources, variables))
        if environment.notifications:
            self._create_notifications(resources, variables)
        if environment.status_page.enabled:
            self._create_status_page(resources, variables)
        if environment.telemetry.enabled:
            self._create_trace_export(resources, variables)
        if environment.failover:
            self._create_failover(resources, variables)
        policy = RecoveryPolicy.parse(environment.recovery)
        create_drill_schedules(self, environment, policy, handlers["start_drill"], self._dead_letters)
        create_alarms(
            self,
            environment,
            self._topics["operators"],
            handlers=[
                _short_name("event", name)
                for name in (*EVENT_HANDLERS, *_optional_handlers(environment), *failover_handlers(environment))
            ],
            rollback_machine=state_machines["rollback"],
            deployment_machine=state_machines["deployment"],
            dead_letter_queue=physical_name("dead-letters", environment),
            notification_dead_letters=physical_name(NOTIFICATION_DEAD_LETTERS, environment)
            if environment.notifications
            else None,
        )

    def _create_notifications(self, resources: Resources, variables: Mapping[str, str]) -> None:
        queues = create_notification_queues(self, self._environment)
        name = "deliver_notifications"
        own_variables = {
            "NOTIFICATION_QUEUE": queues.messages.queue_url,
            "NOTIFICATION_DEAD_LETTERS": queues.dead_letters.queue_url,
            "MAIL": encode_mail(self._environment.mail),
        }
        function = self._function(
            "event",
            name,
            OPTIONAL_HANDLERS[name],
            resources,
            {**variables, **own_variables},
            allow_polling(queues.messages),
        )
        connect_notifications(self, self._environment, self._bus, queues, function)

    def _create_status_page(self, resources: Resources, variables: Mapping[str, str]) -> None:
        function = self._event_handler(
            PUBLISH_STATUS_PAGE,
            OPTIONAL_HANDLERS[PUBLISH_STATUS_PAGE],
            resources,
            {**variables, **status_page_variables(self._environment)},
        )
        connect_status_page(self, self._environment, self._bus, function, self._dead_letters)

    def _create_trace_export(self, resources: Resources, variables: Mapping[str, str]) -> None:
        telemetry = self._environment.telemetry
        own_variables = {"OTLP_ENDPOINT": telemetry.otlp_endpoint, "OTLP_HEADERS_SECRET": telemetry.headers_secret}
        name = "export_trace"
        function = self._event_handler(name, OPTIONAL_HANDLERS[name], resources, {**variables, **own_variables})
        machines = ("deployment", "rollback", "drill", "restore")
        arns = [state_machine_arn(self, self._environment, machine) for machine in machines]
        create_trace_rule(self, self._environment, function, self._dead_letters, arns)

    def _create_failover(self, resources: Resources, variables: Mapping[str, str]) -> None:
        """Create the renewal of the lease and, in the standby region, the failover's tasks and its evaluation."""
        environment, restore_role = self._environment, ""
        if hosts_failover(environment):
            restore_role = create_restore_role(self, environment).role_arn
        data_key = self._signing_keys.data_key
        own_variables = {
            **variables,
            **failover_variables(environment, restore_role),
            "DATA_KEY": data_key.key_arn if data_key else "",
        }
        handlers = {
            name: self._event_handler(name, FAILOVER_HANDLERS[name], resources, own_variables)
            for name in failover_handlers(environment)
        }
        create_schedules(self, environment, handlers, self._dead_letters)
        create_failover_alarms(self, environment, self._topics["operators"])
        create_copies_alarm(self, environment, self._topics["operators"])
        if hosts_failover(environment):
            self.tasks |= {
                name: self._task(name, spec, resources, own_variables) for name, spec in FAILOVER_TASKS.items()
            }

    def _key(self, name: str, description: str) -> kms.Key:
        return create_key(self, self._environment, name, f"{description} ({self._environment.name})")

    def _table(self, name: str, partition: dynamodb.Attribute, sort: dynamodb.Attribute) -> dynamodb.Table:
        """Create a table of the orchestrator.

        The ledger's key encrypts all of them; grants on the ledger include it.
        """
        return dynamodb.Table(
            self,
            name.title(),
            table_name=physical_name(name, self._environment),
            partition_key=partition,
            sort_key=sort,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED
            if self._ledger_key
            else dynamodb.TableEncryption.DEFAULT,
            encryption_key=self._ledger_key,
            time_to_live_attribute="expires_at",
            deletion_protection=self._environment.deletion_protection,
            removal_policy=removal_policy_of(self._environment),
        )

    def _topic(self, audience: str) -> sns.Topic:
        of_alarms = audience == "operators"
        if of_alarms:
            cloudwatch = own_account_service(self, "cloudwatch")
            self._topics_key.grant(cloudwatch, "kms:Decrypt", "kms:GenerateDataKey*")
        return create_topic(
            self,
            self._environment,
            f"{audience.title()}Topic",
            audience,
            self._environment.contacts[audience],
            self._topics_key,
            of_alarms=of_alarms,
        )

    def _resources(self, service: Mapping[str, Any]) -> Resources:
        created = CreatedResources(
            heartbeats_table=self._heartbeats.table_arn,
            drill_role=self._drill_resources.role,
            restore_role=self._drill_resources.restore_role,
            seed_grants_key=self._drill_resources.seed_grants_key,
            topics={name: topic.topic_arn for name, topic in self._topics.items()},
            evidence_bucket=self._evidence,
            evidence_keys=self._evidence_keys,
            exports_bucket=self._exports,
        )
        return Resources(
            arns=resource_arns(self, self._environment, service, self._signing_keys, created),
            conditions=resource_conditions(self._environment, self._signing_keys.tag),
            ledger=self._ledger.table_arn,
            bus=self._bus.event_bus_arn,
            ledger_key=self._ledger_key,
            topics_key=self._topics_key,
            ring_key=self._signing_keys.data_key,
            variables_key=self._service_variables_key,
            evidence_key=self._evidence_key,
            task_variables_key=self._variables_key,
        )

    def _task(
        self, name: str, spec: FunctionSpec, resources: Resources, variables: Mapping[str, str]
    ) -> lambda_.Function:
        return self._function("task", name, spec, resources, variables)

    def _event_handler(
        self, name: str, spec: FunctionSpec, resources: Resources, variables: Mapping[str, str]
    ) -> lambda_.Function:
        to_dead_letters = iam.PolicyStatement(
            sid="DeadLetters", actions=["sqs:SendMessage"], resources=[self._dead_letters.queue_arn]
        )
        # The queue receives the events that Lambda drops after two retries. The rules' targets use it for undelivered
        # events.
        return self._function(
            "event", name, spec, resources, variables, to_dead_letters, dead_letter_queue=self._dead_letters
        )

    def _variables(self, service: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the values of the environment variables that the rows of functions.py name."""
        state_machines = {
            f"{name.upper()}_MACHINE": state_machine_arn(self, self._environment, name)
            for name in ("deployment", "rollback", "drill")
        }
        return state_machines | {
            "OPERATORS_TOPIC": self._topics["operators"].topic_arn,
            "CLIENTS_TOPIC": self._topics["clients"].topic_arn,
            "DELIVERY_POLICY": encode_policy(self._environment.delivery),
            "EVIDENCE_BUCKET": self._evidence.bucket_name,
            "EVIDENCE_KEYS": ",".join(key.key_id for key in self._evidence_keys),
            "EVIDENCE_HEADS_BUCKET": heads_bucket_name(self._environment)
            if self._environment.backups.copy_region
            else "",
            "EVIDENCE_HEADS_REGION": self._environment.backups.copy_region or "",
            "EXPORTS_BUCKET": self._exports.bucket_name,
            "RECOVERY_POLICY": _compact(_without_schedules(self._environment.recovery)),
            "HEARTBEATS_TABLE": physical_name("heartbeats", self._environment),
            "SOURCE_TABLES": _compact(
                {
                    "state": self._environment.service.state_table,
                    "tokens": self._environment.service.tokens_table,
                }
            ),
            "DEFAULT_TABLE_SETTINGS": _compact(asdict(declared_settings(self._environment))),
            "SERVICE": self.to_json_string(service),
            "SEED_GRANTS_KEY": self._drill_resources.seed_grants_key,
            "BACKUP_VAULT": physical_name("backups", self._environment),
            "COPY_REGION": self._environment.backups.copy_region or "",
            "COPY_VAULT": physical_name("backup-copies", self._environment),
            "COPY_ROLE": role_arn(self, self._environment, BACKUP_ROLE),
            "DRILL_VAULT": vault_arn(self, self._environment, "backups-of-drills"),
            "RESTORE_ROLE": self._drill_resources.restore_role,
            "DRILL_ROLE": self._drill_resources.role,
            "DRILL_LOGS": self._drill_resources.log_group,
            "DRILL_SIGNING_KEY": self._drill_resources.signing_key,
            "KEYS_TABLE": self._signing_keys.ring_table,
            "SIGNING_KEY_ID": self._signing_keys.stack_key,
            "INCIDENTS": encode_policy_of_incidents(self._environment.incidents),
            "LOST_REGION": STANDBY if self._environment.standby else self._environment.lost_region or "",
            "KEY_ROTATION_DAYS": str(self._environment.key_rotation_days),
            "ISSUING_LEASE": "on" if self._environment.failover else "",
        }

    def _function(
        self,
        kind: str,
        name: str,
        spec: FunctionSpec,
        resources: Resources,
        variables: Mapping[str, str],
        *extra_statements: iam.PolicyStatement,
        **settings: Any,
    ) -> lambda_.Function:
        own_variables = {
            "ENVIRONMENT": self._environment.name,
            "LEDGER_TABLE": physical_name("ledger", self._environment),
            "EVENT_BUS": f"ib-oauth-{self._environment.name}",
            "POWERTOOLS_SERVICE_NAME": "orchestrator",
            "LOG_LEVEL": self._environment.service.log_level,
            **{key: variables[key] for key in spec.variables},
        }
        return create_function(
            self,
            self._environment,
            self._package,
            _short_name(kind, name),
            f"{spec.package}.{name}.handler",
            spec.size,
            [*policy_statements(spec.permissions, resources, self.region), *extra_statements],
            wildcard_reasons(spec.permissions, resources),
            variables=own_variables,
            variables_key=self._variables_key,
            # An execution that started before a deployment of the stack continues with the version that it refers to.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
            **settings,
        )


def _short_name(kind: str, name: str) -> str:
    return f"{kind}-{name.replace('_', '-')}"


def _optional_handlers(environment: Environment) -> list[str]:
    """Return the event handlers that the environment has and others may not have."""
    needed = {
        "deliver_notifications": environment.notifications,
        PUBLISH_STATUS_PAGE: environment.status_page.enabled,
        "export_trace": environment.telemetry.enabled,
        ACKNOWLEDGE_INCIDENT: environment.acknowledgement.enabled,
    }
    return [name for name in OPTIONAL_HANDLERS if needed[name]]


def _without_schedules(recovery: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings of recoveries without those that the schedules have read: variables are limited to 4 KB."""
    return {name: value for name, value in recovery.items() if name not in ("drill_point", "standing_grants")}


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
