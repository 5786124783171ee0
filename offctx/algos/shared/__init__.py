"""What the deep learners share."""
