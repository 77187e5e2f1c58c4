"""Sources of sound, one module a kind."""
