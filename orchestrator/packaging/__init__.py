"""Builds the Lambda packages, releases and software bills of materials (SBOM)."""
