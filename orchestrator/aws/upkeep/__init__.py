"""What upkeep reads of an account in addition to the configuration: use, history, permissions, certificates, cost."""
