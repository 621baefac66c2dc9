"""The CDK stacks, one folder a stack."""
