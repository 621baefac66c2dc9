"""Patches to the emulated CloudFormation."""
