"""Google Cloud Functions, 2nd generation: a model as a function."""
