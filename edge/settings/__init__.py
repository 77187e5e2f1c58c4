"""Configuration: values, files and texts."""
