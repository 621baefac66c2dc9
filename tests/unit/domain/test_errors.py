import inspect

from orchestrator.domain import errors
from orchestrator.domain.errors import OrchestratorError, Refused


def test_a_refusal_names_field_value_and_remedy():
    refused = Refused("strategy.steps[1].weight_percent", 10, "let weights rise")
    assert str(refused) == "strategy.steps[1].weight_percent: 10 is refused: let weights rise"
    assert (refused.field, refused.value, refused.remedy) == (
        "strategy.steps[1].weight_percent",
        10,
        "let weights rise",
    )


def test_every_error_of_ours_stands_in_the_tree():
    ours = [kind.__name__ for kind in vars(errors).values() if inspect.isclass(kind) and kind is not OrchestratorError]
    assert len(ours) >= 6
    assert all(issubclass(getattr(errors, name), OrchestratorError) and f"── {name}" in errors.__doc__ for name in ours)
