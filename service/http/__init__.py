"""HTTP: routes, requests, responses and rate limits."""
