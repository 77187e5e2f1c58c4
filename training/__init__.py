"""Training of Tocsin's networks: data, augmentation, models, engine and figures. Runs from a checkout."""
