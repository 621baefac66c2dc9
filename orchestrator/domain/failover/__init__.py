"""Regional failover as decisions: its steps, its approvals, which region may issue tokens, and whether it could run now."""
