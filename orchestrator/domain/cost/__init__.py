"""What an environment, a deployment and a drill cost."""
