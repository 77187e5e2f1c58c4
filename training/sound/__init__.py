"""Waveforms: pure functions of float32 mono samples of shape (n,), their rate and their own random generator.

All but `time.time_stretch` keep the length. Silence stays finite, and full scale is 1.
"""
