"""Incidents: what opens one, who is paged and when, who acknowledged it, its timeline and its post-mortem. No I/O.

`incident.py` has the states and the table of transitions; `register.py` decides what a signal does; `paging.py` decides
who is paged next; `rota.py` says who is on call.
"""
