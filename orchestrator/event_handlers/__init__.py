"""Lambda handlers of EventBridge rules and schedules."""
