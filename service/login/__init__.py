"""Login at the upstream identity provider."""
