"""Write the dashboard for Grafana."""

from infrastructure.monitoring.grafana import FILE, render

FILE.write_text(render(), encoding="utf-8")
