"""Sources of sound, one module for each kind."""
