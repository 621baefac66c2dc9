"""Patches to the emulated DynamoDB."""
