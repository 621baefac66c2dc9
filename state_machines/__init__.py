"""The state machines: their definitions, and how these are read and bound."""
