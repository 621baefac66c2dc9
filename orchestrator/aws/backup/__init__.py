"""AWS Backup: recovery points of the vault, and the jobs that restore them."""
