"""The command that ends all earlier grants in a failover by hand does what its page says it does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/runbooks/region-failover-manual.md"


def aws_command(operation):
    """Return the arguments of the page's one `aws dynamodb OPERATION` of a tokens table, by their names in the API."""
    text = DOCUMENT.read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(rf"^ *aws dynamodb {operation} (.*-tokens-.*)$", text, re.MULTILINE)
    words = shlex.split(command)
    names = ("".join(part.title() for part in word.removeprefix("--").split("-")) for word in words[::2])
    return {
        name: json.loads(value) if value[0] == "{" else value for name, value in zip(names, words[1::2], strict=True)
    }


def test_raising_the_epoch_by_hand_ends_everything_of_before_and_nothing_after(service, aws):
    before = service.redeem(service.code()).json
    code = service.code()
    command = aws_command("update-item")
    assert command.pop("Region") == "us-east-2"
    assert command["TableName"].endswith("-tokens-prod")
    for _ in range(2):  # where there was no epoch yet, and where there was one
        aws.dynamodb.update_item(**command | {"TableName": service.variables["TOKENS_TABLE"]})
    assert service.refresh(before["refresh_token"]).json["error"] == "invalid_grant"
    assert service.redeem(code).json["error"] == "invalid_grant"
    assert service.userinfo(before["access_token"]).status == 401
    after = service.redeem(service.code()).json
    assert service.refresh(after["refresh_token"]).status == 200
