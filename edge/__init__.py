"""Tocsin on the device: microphone in, sound events out."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads this once, when it is loaded. Without it, ONNX Runtime stores an id of this machine and sends usage
# data to its maker. It is set here because the package is imported before any of its modules.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
