"""Commands that end grants: of one user, or of all."""
