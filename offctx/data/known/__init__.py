"""Known recipes: datasets that are built by their name, and the cards that say what they hold when they are built."""
