"""The functions and alarms of the service as the templates have them."""

from tests.infrastructure.templates import named, resources, text_of

FUNCTIONS = ("authorize", "token", "public")


def function(one, name: str) -> dict:
    return named(one.service, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-{name}-{one.name}")


def variables(one, name: str) -> dict[str, str]:
    return {key: text_of(value) for key, value in function(one, name)["Environment"]["Variables"].items()}


def alarms(one) -> dict[str, dict]:
    return {alarm["AlarmName"]: alarm for alarm in resources(one.service, "AWS::CloudWatch::Alarm").values()}
