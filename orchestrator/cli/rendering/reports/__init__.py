"""Reports: what the ledger recorded about a deployment, its rollback, a drill or a restore, as HTML, Markdown and JSON."""
