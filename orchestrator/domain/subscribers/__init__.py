"""Subscribers of the status page: who they are, what is announced, and what each of them gets."""
