"""A table on demand is described with 0 units, also one that CloudFormation created."""

import json

from tests.contract.cloudformation.test_failed_creations import Stacks


def test_a_table_on_demand_that_cloudformation_created_has_no_units(cloud):
    name, stack = cloud.name("table"), cloud.name("stack")
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        },
    }
    cloud.client("cloudformation").create_stack(
        StackName=stack, TemplateBody=json.dumps({"Resources": {"Table": table}})
    )
    assert Stacks(cloud).settled(stack) == "CREATE_COMPLETE"

    described = cloud.client("dynamodb").describe_table(TableName=name)["Table"]

    units = described["ProvisionedThroughput"]
    assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (0, 0)
