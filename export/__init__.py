"""Export of a checkpoint to a bundle for a device.

It runs from a checkout.
"""

import edge  # noqa: F401 - silences ONNX Runtime, which modules here import before anything of `edge`
