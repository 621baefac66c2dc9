"""Adapters that read the configuration of deployed resources."""
