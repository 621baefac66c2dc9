"""Deployments: requests, strategies, plans, decisions and records."""
