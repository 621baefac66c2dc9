"""The pages of the console, one module a subject. A page is a value; nothing here knows HTTP or HTML."""
