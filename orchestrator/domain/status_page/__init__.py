"""The public status page: the state of its components, their history, published incidents, and maintenance."""
