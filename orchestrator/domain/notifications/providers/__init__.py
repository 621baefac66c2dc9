"""The message of each provider: from a notification and the destination's secret to one HTTP request, without sending it."""
