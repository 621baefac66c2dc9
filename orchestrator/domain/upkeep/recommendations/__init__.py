"""Recommendations: measured use in, the setting to change and its saving in money out."""
