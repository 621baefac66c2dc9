"""The OpenAPI document of the service, generated from its routes and from models of requests and responses.

    python -m service.openapi            writes service/openapi.json
    python -m service.openapi --check    checks that it is up to date

Only the build of the service uses this package: no function imports it, and it is not deployed. The document is
deployed; the function `public` serves it.
"""
