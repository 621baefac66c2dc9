"""Tasks of the deployment state machine."""
