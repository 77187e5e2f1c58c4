"""Tocsin on the device: microphone in, sound events out."""

import os

__version__ = "0.1.0"

# ONNX Runtime looks at this once, while it is loaded; without it, it keeps a number of this machine and sends what it
# counts to its maker. It stands here because the package is there before any of its modules imports anything.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
