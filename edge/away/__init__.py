"""Away mode: any sound that stands out of the background is reported. Pure: time is an argument."""
