"""Adapters of AWS, one package per service or per kind of data: thin and typed, with narrow errors, no decisions."""
