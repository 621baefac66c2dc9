"""The tasks of the failover state machine, which runs in the standby region. Each step is one module."""
