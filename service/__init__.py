"""The OAuth service: a login at an external platform becomes OAuth tokens for client applications.

`oauth/` is the pure core: no network, no store, no clock. The modules beside it reach the world (`storage`, `keys`,
`upstream`, `settings`); `handlers/` has one module for each Lambda function.
"""
