"""Attacks on deep multi-view clustering, defenses against them, and the numbers that compare the two."""
