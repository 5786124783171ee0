"""What a context encoder can be trained on: pure functions of tensors, one family a file."""
