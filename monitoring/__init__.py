"""What watches an environment: dashboard, alarms that wake people, saved questions. It changes nothing and nothing needs it."""
