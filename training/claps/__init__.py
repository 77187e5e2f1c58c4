"""Training of the clap network, which confirms single onsets."""
