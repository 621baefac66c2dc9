"""The live view of a deployment, a rollback or a recovery: a tree on a terminal, lines in a pipe, JSON lines for programs."""
