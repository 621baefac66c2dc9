"""The steps of the way back to the home region, and the run that performs them. It needs rights in both regions."""
