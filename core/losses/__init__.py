"""The papers' loss terms: pure functions of tensors, one file a family."""
