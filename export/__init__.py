"""From a checkpoint to a bundle that a device runs. Runs from a checkout."""
