"""Subscribers of the status page: the endpoint of the form and the links, and the way of an announcement to each of them."""
