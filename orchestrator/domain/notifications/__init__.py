"""Notifications: which event becomes which message, who gets it, and what has been sent already. No I/O."""
