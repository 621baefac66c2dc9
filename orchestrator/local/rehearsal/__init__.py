"""Rehearsed disasters on a local cloud under traffic: the injectors, the measurement, and the page of the last runs."""
