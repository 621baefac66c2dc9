"""Rewrite the diagrams of the state machines in the documentation."""

from state_machines.diagrams import main

main()
