"""The OpenAPI document of the service, generated from its routes and from models of what they take and give.

    python -m service.openapi            writes service/openapi.json
    python -m service.openapi --check    says whether it is up to date

This package is for whoever builds the service: no function imports it, and it is no part of what is deployed. What is deployed is
the document, which `public` serves.
"""
