"""Waveforms: pure functions of float32 mono samples, their rate and a generator.

Samples have the shape (n,). All but `time.time_stretch` keep the length. Silence stays finite, and full scale is 1.
"""
