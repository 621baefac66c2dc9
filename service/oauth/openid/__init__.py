"""OpenID Connect: ID tokens for clients that request the scope `openid`, on top of the OAuth rules."""
