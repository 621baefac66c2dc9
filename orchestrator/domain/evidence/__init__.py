"""Evidence reports and the hash chain that links them."""
