"""What is kept of an environment's tables outside them: daily backups in a locked vault, and copies in another region."""
