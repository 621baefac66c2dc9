"""The commands `compliance` and `audit`."""
