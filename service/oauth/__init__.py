"""The pure core: requests, codes, families of refresh tokens, access tokens and clients.

Standard library only. Time and randomness are arguments; nothing here reads, writes or logs.
"""
