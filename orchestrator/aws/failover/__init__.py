"""What only a failover needs of AWS: restore jobs of copied recovery points, and the record of the API's domain."""
