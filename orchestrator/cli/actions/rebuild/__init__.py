"""The command `rebuild`: bring an emptied environment back."""
