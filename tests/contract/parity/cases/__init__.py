"""Every case of the parity table."""

from __future__ import annotations

from tests.contract.parity.case import Case
from tests.contract.parity.cases import apigateway, cloudwatch, dynamodb, events, lambda_, stepfunctions

CASES: tuple[Case, ...] = (
    *lambda_.CASES,
    *stepfunctions.CASES,
    *cloudwatch.CASES,
    *events.CASES,
    *dynamodb.CASES,
    *apigateway.CASES,
)
