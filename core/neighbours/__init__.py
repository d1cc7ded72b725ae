"""NCP-ACL measured: rows of its tables over seeds, the proof of concept, what its claims come to."""
