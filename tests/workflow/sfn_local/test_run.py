"""All cases are executed and compared, also those that never end, on any Step Functions Local."""

from dataclasses import dataclass, field

from tests.workflow.sfn_local.cases import Case, Strike, all_states
from tests.workflow.sfn_local.mocks import state_machine_name
from tests.workflow.sfn_local.paths import STOPPED, Path, Step
from tests.workflow.sfn_local.run import run


@dataclass
class FakeStepFunctions:
    """Executions whose histories have the paths that it is given, by case."""

    paths: dict[str, Path]
    created: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def create_state_machine(self, **params):
        assert "${" not in params["definition"]
        self.created.append(params["name"])
        return {"stateMachineArn": f"arn:{params['name']}"}

    def start_execution(self, **params):
        machine, _, case = params["stateMachineArn"].removeprefix("arn:").partition("#")
        self.started.append(f"{machine}/{case}")
        return {"executionArn": self.started[-1]}

    def stop_execution(self, **params):
        self.stopped.append(params["executionArn"])

    def get_paginator(self, operation):
        return {"list_executions": _Pages(self.running), "get_execution_history": _Pages(self.history)}[operation]

    def running(self, **params):
        assert params["statusFilter"] == "RUNNING"
        name = params["stateMachineArn"].removeprefix("arn:")
        here = [one for one in self.started if one.startswith(f"{name}/")]
        return {"executions": [{"executionArn": one} for one in here if self.paths[one].end == STOPPED]}

    def history(self, **params):
        execution = params["executionArn"]
        path, machine = self.paths[execution], execution.split("/")[0].rpartition("-")[2]
        events = []
        for step in path.steps:
            kind = all_states(machine)[step.state]["Type"]
            events.append({"type": f"{kind}StateEntered", "stateEnteredEventDetails": {"name": step.state}})
            events += [{"type": "TaskFailed", "taskFailedEventDetails": {"error": error}} for error in step.errors]
        status, _, error = path.end.partition(" ")
        if path.end != STOPPED:
            events.append({"type": f"Execution{status.title()}", "executionFailedEventDetails": {"error": error}})
        return {"events": events}


class _Pages:
    def __init__(self, page):
        self._page = page

    def paginate(self, **parameters):
        return [self._page(**parameters)]


CASES = (
    Case("rollback", "usual"),
    Case("rollback", "usual", "VerifyStable", "error", Strike(("RuntimeError",))),
    Case("deployment", "bad"),
    Case("drill", "removing"),
)


def key(case):
    return f"{state_machine_name(case.machine)}/{case.name}"


def play(paths, slack_seconds=300.0, cases=CASES):
    states = FakeStepFunctions({key(case): case.walked().path for case in cases} | paths)
    reported = []
    results = run(
        states, cases, lambda *counts: reported.append(counts), look_seconds=0.05, slack_seconds=slack_seconds
    )
    assert reported[-1] == (len(cases), len(cases))
    return {result.case.id: result for result in results}, states


def test_the_paths_of_a_local_that_does_as_the_definitions_say_agree():
    # This case ends as soon as it is seen to repeat: its waits are not awaited here.
    results, states = play({})
    assert {name: result.agrees for name, result in results.items()} == dict.fromkeys([case.id for case in CASES], True)
    assert sorted(states.created) == ["ib-oauth-deployment", "ib-oauth-drill", "ib-oauth-rollback"]
    assert states.stopped == [key(CASES[3])]


def test_a_task_that_is_not_retried_is_found():
    case = Case("rollback", "usual", "VerifyStable", "transient", Strike(("Throttled", "Unreachable")))
    steps = case.walked().path.steps
    assert len(steps[-1].errors) == 0 < max(len(step.errors) for step in steps)
    fewer = tuple(Step(step.state, step.errors[:1]) for step in steps)
    results, _ = play({key(case): Path(fewer, case.walked().path.end)}, cases=(case,))
    assert not results[case.id].agrees


def test_an_execution_that_does_not_end_is_stopped_and_differs():
    case = CASES[0]
    stuck = Path(case.walked().path.steps[:2], STOPPED)
    results, states = play({key(case): stuck}, slack_seconds=0.1, cases=(case,))
    assert results[case.id].seen == stuck
    assert not results[case.id].agrees
    assert states.stopped == [key(case)]


def test_a_lap_that_ends_is_found():
    case = CASES[3]
    ended = Path((*case.walked().path.steps[:-1], Step("Failed")), "FAILED DrillFailed")
    results, _ = play({key(case): ended}, cases=(case,))
    assert not results[case.id].agrees
