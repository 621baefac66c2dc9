"""Deployment, rollback and recovery of the OAuth service."""
