"""Who may sign in to the console, with which role, and which tokens prove it. Values without network and clock."""
