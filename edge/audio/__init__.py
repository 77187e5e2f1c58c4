"""From devices, files and streams to blocks of mono samples at the front end's rate."""
