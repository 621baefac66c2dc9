"""What an environment with a standby region has: the renewal of its lease, and the failover in the standby region."""
