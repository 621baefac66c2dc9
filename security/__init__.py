"""What guards the account that an environment lives in: the trail, what rings on it, and what roles can never do."""
