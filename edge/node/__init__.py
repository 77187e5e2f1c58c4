"""One node: construction, life-cycle and service."""
