"""From scores to events: rules, smoothing, the state machine and levels. Pure; time is a sample index."""
