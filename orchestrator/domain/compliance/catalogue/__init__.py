"""The controls, one module a subject: rows of id, requirement, source and severity."""
