"""Values of text, JSON and typed tables become typed columns, by one set of rules with one set of codes."""
