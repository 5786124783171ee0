"""What data say of contexts: sensitivity, distance, and the radius of first-order expansion; numbers only."""
