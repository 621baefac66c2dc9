"""The commands of `clients`: managed clients, what they use, and why one cannot log in."""
