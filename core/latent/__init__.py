"""ALRDC measured: the latents of a model attacked, the rows of its tables, what its claims come to."""
