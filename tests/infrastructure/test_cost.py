"""An estimate of each environment as it is synthesised: nothing of the templates is forgotten, and it is shown with its assumptions."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.application import prices
from orchestrator.cli.actions import costs
from orchestrator.cli.main import app
from orchestrator.domain.cost.estimate import Usage

RUN = CliRunner()
ON_UNKNOWN_USE = {"AWS::CloudTrail::Trail", "AWS::GuardDuty::Detector"}
"""Types whose cost hangs on an account's use: each is named by the estimate."""


def test_every_resource_of_every_environment_is_priced_free_or_named(every):
    environment = environments.load(every.name)
    usage = Usage.parse(environment.usage, "usage")
    estimates = costs.estimates_of(
        environment, costs.templates_in(every.folder, every.name), usage, prices.load_prices(environment.region)
    )
    assert {kind for estimate in estimates for kind in estimate.not_estimated} <= ON_UNKNOWN_USE
    assert all(estimate.usd > 0 for estimate in estimates)


def test_production_is_expected_to_stay_within_its_budget(prod):
    answer = RUN.invoke(app, ["cost", "--env", "prod", "--assembly", str(prod.folder), "--json"])
    report = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert report["usd_per_month"] < report["budget_usd_per_month"]
    assert report["scheduled_drills_per_month"] == {"vault": 4.33, "copy": 1}
    assert report["assumptions"]["requests_per_month"] == environments.load("prod").usage["requests_per_month"]
    assert {estimate["what"] for estimate in report["estimates"]} == {
        "a month",
        "a deployment, canary-10-50",
        "a drill",
        "a drill of a backup",
    }
    assert all(
        charge["because"] or charge["amount"] for estimate in report["estimates"] for charge in estimate["charges"]
    )


def test_more_requests_cost_more_and_the_assumption_is_shown(prod):
    def usd(*options):
        answer = RUN.invoke(app, ["cost", "--env", "prod", "--assembly", str(prod.folder), "--json", *options])
        return json.loads(answer.stdout)["usd_per_month"]

    assert usd("--requests-per-month", "100000000") > usd()
    answer = RUN.invoke(
        app, ["cost", "--env", "prod", "--assembly", str(prod.folder), "--requests-per-month", "100000000"]
    )
    assert "requests_per_month 100,000,000" in answer.stdout
    assert "use prices that were not looked up" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "field", "remedy"),
    [
        (["--env", "moon"], "env", "name one of dev, staging, prod, local"),
        (
            ["--env", "prod", "--assembly", "nowhere"],
            "--assembly",
            "name a folder that `npx cdk synth -c environment=prod` wrote",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused(arguments, field, remedy):
    answer = RUN.invoke(app, ["cost", *arguments, "--json"])
    error = json.loads(answer.stdout)["error"]
    assert (answer.exit_code, error["field"], error["remedy"]) == (2, field, remedy)
