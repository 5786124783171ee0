"""History windows: their settings, their record, and which candidates stand in them. No part of it needs d3rlpy."""
