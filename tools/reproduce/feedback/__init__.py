"""The experiment "feedback": how far a hand-sized controller comes that is not told the context, and one that is."""
