"""One module for each Lambda function of the service: `handler` is what Lambda calls, composed from the environment on load."""
