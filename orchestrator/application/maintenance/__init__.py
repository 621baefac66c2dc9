"""Maintenance over the ledger, the bus and the clients' topic."""
