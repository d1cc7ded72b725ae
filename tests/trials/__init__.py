"""Trials that take minutes: many users, a thousand runs, a hundred kills. Each prints JSON. Not part of the tests."""
