"""What ListRoles leaves out of a role."""

import json

TRUST = {"Version": "2012-10-17", "Statement": []}
ATTRIBUTES = {"PermissionsBoundary", "Tags"}


def test_a_listed_role_has_no_tags_and_no_boundary_and_a_role_that_is_read_has_both(cloud):
    iam, name = cloud.client("iam"), cloud.name("role")
    boundary = iam.create_policy(
        PolicyName=cloud.name("boundary"),
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        ),
    )["Policy"]["Arn"]
    iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(TRUST),
        PermissionsBoundary=boundary,
        Tags=[{"Key": "environment", "Value": "local"}],
    )

    (listed,) = [role for role in iam.list_roles()["Roles"] if role["RoleName"] == name]
    read = iam.get_role(RoleName=name)["Role"]

    assert not ATTRIBUTES & listed.keys()
    assert read["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert read["Tags"] == [{"Key": "environment", "Value": "local"}]
