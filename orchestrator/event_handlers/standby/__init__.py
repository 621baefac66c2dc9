"""The event handlers that only a standby region has."""
