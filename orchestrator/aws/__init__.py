"""One module per AWS service that we call: thin, typed, with narrow errors. No decision is taken here."""
