"""Bundles: network, golden recording and model card."""
