"""Notifications: from an event to a message for each destination, and from each message to its provider."""
