"""Training of Tocsin's networks: data, augmentation, models, engine and figures.

It runs from a checkout.
"""
