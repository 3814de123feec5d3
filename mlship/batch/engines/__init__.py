"""Other ways to do a batch than in this process alone."""
