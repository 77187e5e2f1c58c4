"""Measures of a network: scores, calibration, metrics and figures."""
