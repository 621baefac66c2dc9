"""Commands and their options, one module a command group. The package `actions` implements them."""
