"""Audio input: blocks of mono samples from devices, files and streams."""
