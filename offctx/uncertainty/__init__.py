"""What data leave uncertain: feature maps and quantifiers, for linear/, deep learners and rewards alike."""
