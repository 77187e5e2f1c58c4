"""From a checkpoint to a bundle that a device runs. Runs from a checkout."""

import edge  # noqa: F401 - silences ONNX Runtime, which modules here import before anything of `edge`
