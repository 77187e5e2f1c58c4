"""ONNX graphs: writing, folding, quantization, engines and cost."""
