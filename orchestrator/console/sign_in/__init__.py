"""Sign-in to the console with the environment's own OAuth service: authorization code with PKCE, roles as scopes."""
