"""The commands `report` and `replay`."""
