"""Incidents over the ledger and the bus: read, decide, write, announce."""
