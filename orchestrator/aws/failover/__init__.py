"""What only a failover needs of AWS: the record of the API's domain."""
