"""The commands of a failover that runs as a state machine in the standby region."""
