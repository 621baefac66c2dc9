"""Recovery drills, restores, failback and regional failover."""
