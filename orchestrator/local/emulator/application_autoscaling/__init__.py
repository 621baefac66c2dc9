"""Application Auto Scaling: the scalable targets of tables, and their policies."""
