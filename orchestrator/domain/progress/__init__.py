"""How far a deployment, a rollback or a recovery has come: what `watch` shows, from the ledger's records alone."""
