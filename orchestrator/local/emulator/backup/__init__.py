"""AWS Backup: backup, copy and restore jobs of DynamoDB tables, their recovery points, and the lock of a vault."""
