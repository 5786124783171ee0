"""The experiment "matters": does the context matter here? Policies that are told it against policies that are not."""
