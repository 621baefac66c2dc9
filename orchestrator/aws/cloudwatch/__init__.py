"""Adapters of CloudWatch: alarms, metrics, embedded metrics and logs."""
