"""The checks of `tocsin doctor`, by area: each takes the settings and returns one result."""
