"""The commands about whole environments: rehearse disasters."""
