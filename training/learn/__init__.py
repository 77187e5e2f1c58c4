"""Learning loop: batches, losses, schedules, devices and the records of a run."""
