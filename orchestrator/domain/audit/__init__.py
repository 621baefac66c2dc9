"""The audit trail: who did what, when, to which resource, in one time line. Pure."""
