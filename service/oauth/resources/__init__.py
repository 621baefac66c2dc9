"""Protected resources: how their identifiers are compared (RFC 8707), and the service's own (RFC 9728)."""
