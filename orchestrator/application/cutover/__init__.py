"""A cutover: its result, the replays of late writes, and tables that stay blocked by mistake."""
