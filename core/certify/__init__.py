"""ClusTR measured: every attack of its tables, the network of the plane and its proof, what its claims come to."""
