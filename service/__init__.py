"""The OAuth service: turns a login at an upstream identity provider into OAuth tokens for client applications.

`oauth/` is the pure core, without network, storage or clock. The other packages have the side effects (`storage`,
`keys`, `login`, `clients`, `settings`). `handlers/` has one module for each Lambda function.
"""
