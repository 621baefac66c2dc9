"""Objectives by scenario: RTO and RPO, the measured values of the ledger's recoveries, and their trend."""
