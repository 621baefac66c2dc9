"""Subscribers of the status page: their table, and the requests to their webhooks."""
