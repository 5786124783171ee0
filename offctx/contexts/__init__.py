"""Context spaces: named real vectors with units, bounds, constraints and splits."""
