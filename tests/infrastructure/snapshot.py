"""Every template as a text that a person reads: `make snapshots` writes them, a test holds them, a review reads their diff.

A line is a property. What all resources of a type have in common stands once, above them; each then has what is its own. What
changes with every build, and says nothing, is left out: hashes in names, digests of code, tags, metadata.
"""

import json
import re
import tempfile
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

from orchestrator import environments
from tests.infrastructure.templates import ENVIRONMENTS, Synthesised, synthesise

FOLDER = Path(__file__).with_name("snapshots")
_LEFT_OUT = ("Tags", "HostedZoneTags", "BackupVaultTags", "BackupPlanTags")
# CDK ends a logical id with 8 digits of its path, the id of a version or a deployment with more of its content.
_HASH = re.compile(r"(?<=[A-Za-z0-9])(?:[0-9A-F]{8})?[0-9a-f]{32}\b|(?<=[A-Za-z0-9])[0-9A-F]{8}\b")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b|\b[ab]{16}\b")


def render(one: Synthesised) -> dict[str, str]:
    """Return the texts of an environment's templates, by stack."""
    return {file.name.removesuffix(".template.json"): _of(json.loads(file.read_bytes())) for file in one.files}


def write(environment: str, folder: Path = FOLDER) -> None:
    """Write an environment's texts, and remove those of stacks that it has no more."""
    with tempfile.TemporaryDirectory() as made:
        texts = render(synthesise(Path(made), environments.load(environment)))
    own = folder / environment
    own.mkdir(parents=True, exist_ok=True)
    for gone in {file.stem for file in own.glob("*.txt")} - texts.keys():
        (own / f"{gone}.txt").unlink()
    for stack, text in texts.items():
        (own / f"{stack}.txt").write_text(text)


def lines_of(template: dict) -> dict[str, dict[str, str]]:
    """Every resource's properties, flat: by type and id, then by path."""
    found = {}
    for logical_id, resource in template["Resources"].items():
        properties = {key: value for key, value in resource.get("Properties", {}).items() if key not in _LEFT_OUT}
        if "DefinitionString" in properties:  # a file of its own, which is read there
            text = properties["DefinitionString"]
            properties["DefinitionString"] = f"{len(text)} characters, {sha256(text.encode()).hexdigest()[:12]}"
        about = {key: resource[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if key in resource}
        found[f"{resource['Type']} {_plain(logical_id)}"] = dict(_flat("", {**about, **properties}))
    return found


def _of(template: dict) -> str:
    by_type = defaultdict(dict)
    for name, lines in sorted(lines_of(template).items()):
        kind, _, logical_id = name.partition(" ")
        by_type[kind][logical_id] = lines
    text = []
    for kind, members in by_type.items():
        common = dict(set.intersection(*(set(lines.items()) for lines in members.values()))) if len(members) > 1 else {}
        text.append(f"\n{kind}" + (f": {len(members)}, each with" if common else ""))
        text += [f"    {path} {value}" for path, value in sorted(common.items())]
        for logical_id, lines in members.items():
            text.append(f"  {logical_id}")
            own = [(path, value) for path, value in lines.items() if path not in common]
            text += [f"    {path} {value}" for path, value in sorted(own, key=_in_order)]
    outputs = dict(_flat("", template["Outputs"])) if template.get("Outputs") else {}
    text += ["\nOutputs", *(f"  {path} {value}" for path, value in sorted(outputs.items()))] if outputs else []
    return "\n".join(text).lstrip("\n") + "\n"


def _in_order(line: tuple[str, str]) -> str:
    return re.sub(r"\d+", lambda number: number[0].zfill(4), line[0])


def _flat(path: str, value: object):
    text = _text(value)
    if text is not None:
        yield path, text
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{_plain(key)}" if path else key, inner)
    elif all(_text(inner) is not None for inner in value):
        yield path, ", ".join(_text(inner) for inner in value)
    else:
        for number, inner in enumerate(value):
            statement = isinstance(inner, dict) and "Effect" in inner
            place = f"{path}[{number}]"
            yield from [(place, _statement(inner))] if statement else _flat(place, inner)


def _statement(statement: dict) -> str:
    """A policy's statement in one line: who may or may not do what, to what, and when."""
    parts = {key: ", ".join(value for _, value in _flat("", statement[key])) for key in statement}
    line = f"{parts['Effect']} {parts.get('Action') or 'all but ' + parts['NotAction']}"
    line += f" on {parts['Resource']}" if "Resource" in parts else ""
    line += f" to {parts['Principal']}" if "Principal" in parts else ""
    if "Condition" in statement:
        line += " if " + " and ".join(f"{path} {value}" for path, value in _flat("", statement["Condition"]))
    return line + (f" ({statement['Sid']})" if "Sid" in statement else "")


def _text(value: object) -> str | None:
    """A value as one text, or None for what has parts; what is only known when deployed is a name in angles."""
    text = None
    match value:
        case bool() | int() | float():
            text = json.dumps(value)
        case {} | [] if not value:
            text = json.dumps(value)
        case str():
            text = _DIGEST.sub("…", json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"'))
        case {"Fn::Join": [str(between), [*parts]]}:
            text = between.join(_text(part) or json.dumps(part) for part in parts)
        case {"Ref": str(name)}:
            text = f"<{_plain(name)}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            text = f"<{_plain(name)}.{attribute}>"
        case {"Fn::ImportValue": inner}:
            text = f"<import {_text(inner) or json.dumps(inner)}>"
        case {"Fn::Sub": _} | {"Fn::Select": _} | {"Fn::GetAZs": _} | {"Fn::Split": _}:
            text = json.dumps(value)
    return text


def _plain(text: str) -> str:
    return _HASH.sub("", text)


if __name__ == "__main__":
    for name in ENVIRONMENTS:
        write(name)
