"""Security of an environment's account: CloudTrail, alarms, account services, code signing, permissions boundary."""
