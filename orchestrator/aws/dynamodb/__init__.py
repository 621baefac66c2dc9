"""Adapters of DynamoDB: reads and writes of tables, backups, restores, exports, streams and resource policies."""
