"""Standing grants: grants of the synthetic identity that are given ahead of time, so that older points can be drilled."""
