"""AWS Lambda: a model as a function."""
