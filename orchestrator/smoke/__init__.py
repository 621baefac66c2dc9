"""`make smoke-aws`: nine steps that show on an AWS account what the local cloud cannot show.

Every step answers questions that AWS's documentation leaves open, by a measured fact. It is a program for an operator
with an account of its own; no part of it is deployed.
"""
