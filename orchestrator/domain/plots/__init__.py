"""Plots as SVG text: data in, text out. No script, no font, no resource of another host."""
