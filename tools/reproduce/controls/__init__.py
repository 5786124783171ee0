"""The experiment "controls", the headline: CSE beside every control on RotatedThrusters, or on a task of the user's own."""
