"""The way back: from the standby region to the home region, with all that was written since the failover."""
