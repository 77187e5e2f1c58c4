"""Log-mel features, one definition for a whole clip and for a live stream."""
