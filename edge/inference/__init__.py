"""The network: bundles, the runtime and batching."""
