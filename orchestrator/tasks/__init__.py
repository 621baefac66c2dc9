"""Lambda handlers of the state machines, one module a task; `runtime` has what all share."""
