"""What an encoder is trained on, by name: each method's objective, made of the pure functions in `losses`."""
