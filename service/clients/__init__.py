"""OAuth clients: the registry and client ID metadata documents."""
