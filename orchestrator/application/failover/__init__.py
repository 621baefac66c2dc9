"""The steps of a regional failover in the standby region. Each may be repeated, and reads back what it did."""
