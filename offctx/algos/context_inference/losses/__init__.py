"""The losses of context encoders: pure functions of tensors, one family a file."""
