"""One module for each Lambda function. Lambda calls its `handler`, which is built from the environment at load."""
