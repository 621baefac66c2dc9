"""Monitoring of an environment: dashboard, operators' alarms and saved queries. No other stack depends on it."""
