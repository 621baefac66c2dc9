"""The orchestrator's stack: ledger, bus, topics, task functions, intakes with their rules, alarms on itself.

The state machines are added by whoever composes the app (`state_machines/infrastructure.py`): they are bound to the task
functions that this stack makes, and the functions know the machines by name only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk
from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from environments import Environment
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.infrastructure_access import INTAKES, TASKS, Rights
from orchestrator.infrastructure_alarms import watch
from orchestrator.infrastructure_costs import watch_costs
from orchestrator.infrastructure_drills import drill_parts
from orchestrator.infrastructure_evidence import evidence_bucket, exports_bucket
from orchestrator.infrastructure_intakes import make_bus, route, schedule_drills
from orchestrator.infrastructure_pipeline import pipeline_role
from orchestrator.infrastructure_places import Made, Places, arns_of, conditions_of, machine_arn
from orchestrator.infrastructure_promotion import promotion_role
from orchestrator.infrastructure_statements import statements_of, wildcards_of
from stack_parts import SigningKeys, code_of, explain, kept, lambda_role, log_group, name_of, subscribe, worldwide

MEMORY_MB = 512
TIMEOUT_SECONDS = 60
"""Shorter than the 75 s that the definitions give a task: a state never goes on while its function still writes."""


@dataclass(frozen=True)
class Size:
    """A function's size. memory_mb: 1769 MB are one core."""

    memory_mb: int = MEMORY_MB
    timeout_seconds: int = TIMEOUT_SECONDS


_READER = Size(memory_mb=1769, timeout_seconds=300)
"""Who reads whole tables through; the definition gives these states 315 s."""
SIZES = {
    "compare_content": _READER,
    "digest_segment": _READER,
    "level_tables": Size(memory_mb=1769),
    "write_receipts": Size(memory_mb=128, timeout_seconds=75),
}


@dataclass(frozen=True)
class Build:
    """The orchestrator's code: the asset's folder, the digest of its content, and the signed package where there is one."""

    folder: str
    digest: str
    signed: str | None = None


class OrchestratorStack(Stack):
    """The orchestrator of one environment.

    Args:
        scope: the app.
        environment: where.
        build: the code of all functions.
        service: what the service's stack says of itself; `plan` reads it from its settings.
        signing_keys: the service's keys that rotate.
        service_variables_key: encrypts what the service's functions are told; None where AWS's own key does.

    Attributes:
        tasks: task functions by module, for the state machines.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        build: Build,
        service: Mapping[str, Any],
        signing_keys: SigningKeys,
        service_variables_key: kms.IKey | None,
    ) -> None:
        super().__init__(
            scope,
            f"ib-oauth-orchestrator-{environment.name}",
            description=f"Deployment, rollback and recovery of the OAuth service ({environment.name})",
            env=aws_cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.deletion_protection,
        )
        explain(self, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
        self._environment, self._build, self._signing_keys = environment, build, signing_keys
        self._service_variables_key = service_variables_key
        self._ledger_key = self._key("ledger", "Encrypts the ledger") if environment.customer_managed_keys else None
        # Never AWS's own key: CloudWatch's alarms may not publish through that.
        self._topics_key = self._key("topics", "Encrypts messages to operators and clients")
        self._evidence_key = self._key("evidence", "Encrypts evidence") if environment.customer_managed_keys else None
        self._variables_key = (
            self._key("task-variables", "Encrypts what tasks and intakes are told")
            if environment.customer_managed_keys
            else None
        )
        text, number = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER
        self._ledger = self._table(
            "ledger", dynamodb.Attribute(name="pk", type=text), dynamodb.Attribute(name="sk", type=text)
        )
        # Which seconds' rows were acknowledged.
        self._receipts = self._table(
            "receipts", dynamodb.Attribute(name="guarded", type=text), dynamodb.Attribute(name="second", type=number)
        )
        self._evidence = evidence_bucket(self, environment, self._evidence_key)
        self._exports = exports_bucket(self, environment, self._evidence_key)
        self._bus = make_bus(self, environment)
        promotion_role(self, environment, self._bus)
        self._topics = {name: self._topic(name) for name in ("operators", "clients")}
        watch_costs(self, environment, self._topics["operators"], self._topics_key)
        self._dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            queue_name=name_of("dead-letters", environment),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        self._drills = drill_parts(
            self,
            environment,
            copies=self.format_arn(service="dynamodb", resource="table", resource_name=name_of("drill-*", environment)),
            synthetic_key=service["synthetic_key_id"],
            data_key=signing_keys.data_key,
        )
        places = self._places(service)
        pipeline_role(self, environment, places)
        self.tasks = {name: self._task(name, rights, places, service) for name, rights in TASKS.items()}
        intakes = {name: self._intake(name, rights, places, service) for name, rights in INTAKES.items()}
        machines = {name: machine_arn(self, environment, name) for name in ("deployment", "rollback", "restore")}
        route(
            self,
            environment,
            self._bus,
            intakes,
            self._dead_letters,
            alarms=service["alarms"],
            machines=list(machines.values()),
            drill_machine=machine_arn(self, environment, "drill"),
        )
        policy = RecoveryPolicy.parse(environment.recovery)
        schedule_drills(self, environment, policy, intakes["start_drill"], self._dead_letters)
        watch(
            self,
            environment,
            self._topics["operators"],
            intakes=[self._function_name("intake", name) for name in INTAKES],
            rollback_machine=machines["rollback"],
            deployment_machine=machines["deployment"],
            dead_letter_queue=name_of("dead-letters", environment),
        )

    def _key(self, what: str, description: str) -> kms.Key:
        return kms.Key(
            self,
            f"{what.title().replace('-', '')}Key",
            alias=f"alias/{name_of(what, self._environment)}",
            description=f"{description} ({self._environment.name})",
            enable_key_rotation=True,
            removal_policy=kept(self._environment),
        )

    def _table(self, what: str, partition: dynamodb.Attribute, sort: dynamodb.Attribute) -> dynamodb.Table:
        """Make a table of the orchestrator's own. All are under the ledger's key, which whoever reads or writes them may use."""
        return dynamodb.Table(
            self,
            what.title(),
            table_name=name_of(what, self._environment),
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
            removal_policy=kept(self._environment),
        )

    def _guarded(self) -> str:
        service = self._environment.service
        return _compact({"state": service.state_table, "tokens": service.tokens_table})

    def _topic(self, audience: str) -> sns.Topic:
        topic = sns.Topic(
            self,
            f"{audience.title()}Topic",
            topic_name=name_of(audience, self._environment),
            master_key=self._topics_key,
            enforce_ssl=True,
        )
        if audience == "operators":
            cloudwatch = iam.ServicePrincipal(
                "cloudwatch.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self.account}}
            )
            topic.grant_publish(cloudwatch)
            self._topics_key.grant(cloudwatch, "kms:Decrypt", "kms:GenerateDataKey*")
        subscribe(topic, self._environment.contacts[audience])
        return topic

    def _places(self, service: Mapping[str, Any]) -> Places:
        made = Made(
            receipts=self._receipts.table_arn,
            drill_role=self._drills.role,
            witness_key=self._drills.witness_key,
            topics={name: topic.topic_arn for name, topic in self._topics.items()},
            evidence=self._evidence,
            exports=self._exports,
        )
        return Places(
            arns=arns_of(self, self._environment, service, self._signing_keys, made),
            conditions=conditions_of(self._environment, self._signing_keys.tag),
            ledger=self._ledger.table_arn,
            bus=self._bus.event_bus_arn,
            ledger_key=self._ledger_key,
            topics_key=self._topics_key,
            ring_key=self._signing_keys.data_key,
            variables_key=self._service_variables_key,
            evidence_key=self._evidence_key,
        )

    def _task(self, name: str, rights: Rights, places: Places, service: Mapping[str, Any]) -> lambda_.Function:
        variables = {
            "OPERATORS_TOPIC": self._topics["operators"].topic_arn,
            "CLIENTS_TOPIC": self._topics["clients"].topic_arn,
            "ROLLBACK_MACHINE": machine_arn(self, self._environment, "rollback"),
            "DEPLOYMENT_MACHINE": machine_arn(self, self._environment, "deployment"),
            "DELIVERY": _compact(self._environment.delivery),
            "EVIDENCE_BUCKET": self._evidence.bucket_name,
            "EXPORTS_BUCKET": self._exports.bucket_name,
            "RECOVERY": _compact(self._environment.recovery),
            "RECEIPTS_TABLE": name_of("receipts", self._environment),
            "TABLES": self._guarded(),
            "DECLARED": _compact(
                {
                    "time_to_live": "delete_at",
                    "recovery": 35,
                    "deletion_protection": self._environment.deletion_protection,
                }
            ),
            "SERVICE": self.to_json_string(service),
            "WITNESS_KEY": self._drills.witness_key,
            "DRILL_ROLE": self._drills.role,
            "DRILL_LOGS": self._drills.log_group,
            "DRILL_SIGNING_KEY": self._drills.signing_key,
        }
        needed = {
            "plan": ("DELIVERY", "SERVICE"),
            "hold": ("OPERATORS_TOPIC",),
            "notify": ("OPERATORS_TOPIC", "CLIENTS_TOPIC"),
            "start_rollback": ("ROLLBACK_MACHINE",),
            "prepare_witnesses": ("RECOVERY", "SERVICE", "TABLES", "WITNESS_KEY"),
            "change_witnesses": ("WITNESS_KEY",),
            "make_tokens_safe": ("RECOVERY",),
            "serve_restored": ("DRILL_ROLE", "DRILL_LOGS", "DRILL_SIGNING_KEY"),
            "try_restored": ("RECOVERY", "WITNESS_KEY"),
            "plan_recovery": ("RECOVERY", "SERVICE", "TABLES"),
            "start_restore": ("RECOVERY", "EXPORTS_BUCKET"),
            "await_export": ("RECOVERY", "EXPORTS_BUCKET"),
            "await_restore": ("RECOVERY",),
            "reapply_settings": ("RECOVERY", "DECLARED"),
            "compare_settings": ("DECLARED",),
            "compare_content": ("RECOVERY", "EXPORTS_BUCKET", "RECEIPTS_TABLE"),
            "digest_segment": ("EXPORTS_BUCKET",),
            "record_configuration": ("EVIDENCE_BUCKET",),
            "record_evidence": ("EVIDENCE_BUCKET",),
            "clean_up": ("RECOVERY", "EXPORTS_BUCKET"),
            "cut_over": ("DEPLOYMENT_MACHINE",),
            "await_cut_over": ("DEPLOYMENT_MACHINE", "RECOVERY"),
            "notify_recovery": ("OPERATORS_TOPIC", "EVIDENCE_BUCKET"),
        }
        own = {key: variables[key] for key in needed.get(name, ())}
        return self._function(
            "task", name, statements_of(rights, places, self.region), own, wildcards_of(rights, places)
        )

    def _intake(self, name: str, rights: Rights, places: Places, service: Mapping[str, Any]) -> lambda_.Function:
        variables = self._intake_variables(name, service)
        to_dead_letters = iam.PolicyStatement(
            sid="DeadLetters", actions=["sqs:SendMessage"], resources=[self._dead_letters.queue_arn]
        )
        statements = [*statements_of(rights, places, self.region), to_dead_letters]
        # Two layers lose events: EventBridge, whose targets have the queue too, and Lambda, which retries twice.
        wildcards = wildcards_of(rights, places)
        return self._function("intake", name, statements, variables, wildcards, dead_letter_queue=self._dead_letters)

    def _intake_variables(self, name: str, service: Mapping[str, Any]) -> Mapping[str, str]:
        if name == "sweep":
            return {
                "OPERATORS_TOPIC": self._topics["operators"].topic_arn,
                "EVIDENCE_BUCKET": self._evidence.bucket_name,
                "EXPORTS_BUCKET": self._exports.bucket_name,
            }
        if name == "start_drill":
            return {"DRILL_MACHINE": machine_arn(self, self._environment, "drill")}
        if name == "record_configuration":
            return {"EVIDENCE_BUCKET": self._evidence.bucket_name}
        if name == "write_receipts":
            return {"RECEIPTS_TABLE": name_of("receipts", self._environment), "SERVICE": self.to_json_string(service)}
        if name == "rotate_keys":
            return {
                "KEYS_TABLE": self._signing_keys.ring_table,
                "SIGNING_KEY_ID": self._signing_keys.stack_key,
                "KEY_ROTATION_DAYS": str(self._environment.key_rotation_days),
            }
        started = {"release_ready": ("deployment",), "alarm": ("rollback",)}.get(name, ("deployment", "rollback"))
        own = (
            {"SERVICE": self.to_json_string(service), "EVIDENCE_BUCKET": self._evidence.bucket_name}
            if name == "reconcile"
            else {}
        )
        machines = {f"{machine.upper()}_MACHINE": machine_arn(self, self._environment, machine) for machine in started}
        return machines | own

    def _function(
        self,
        kind: str,
        name: str,
        statements: list[iam.PolicyStatement],
        variables: Mapping[str, str],
        wildcards: Mapping[str, str],
        **settings: Any,
    ) -> lambda_.Function:
        size = SIZES.get(name, Size())
        title, function_name = f"{kind}_{name}".title().replace("_", ""), self._function_name(kind, name)
        group = log_group(self, f"{title}Logs", f"/aws/lambda/{function_name}", self._environment)
        role_name = worldwide(function_name, self._environment)
        role = lambda_role(self, f"{title}Role", role_name, group, statements, wildcards, self._variables_key)
        return lambda_.Function(
            self,
            title,
            function_name=function_name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"orchestrator.{'tasks' if kind == 'task' else 'intake'}.{name}.handler",
            code=code_of(self._build.folder, self._build.digest, self._build.signed),
            memory_size=size.memory_mb,
            timeout=Duration.seconds(size.timeout_seconds),
            tracing=lambda_.Tracing.ACTIVE,
            log_group=group,
            role=role.without_policy_updates(),
            environment_encryption=self._variables_key,
            # An execution that started before this deployment goes on with the version it was bound to.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
            environment={
                "ENVIRONMENT": self._environment.name,
                "LEDGER_TABLE": name_of("ledger", self._environment),
                "EVENT_BUS": f"ib-oauth-{self._environment.name}",
                "POWERTOOLS_SERVICE_NAME": "orchestrator",
                "LOG_LEVEL": self._environment.service.log_level,
                **variables,
            },
            **settings,
        )

    def _table_arn(self, name: str) -> str:
        return self.format_arn(service="dynamodb", resource="table", resource_name=name)

    def _function_name(self, kind: str, name: str) -> str:
        return name_of(f"{kind}-{name.replace('_', '-')}", self._environment)

    def _arn(self, service: str, resource: str, name: str) -> str:
        return self.format_arn(
            service=service, resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
