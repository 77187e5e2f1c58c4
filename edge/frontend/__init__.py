"""Log-mel features, with one definition for a whole recording and a live stream."""
