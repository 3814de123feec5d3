"""What is watched while rows are scored: drift, predictions, another model's answers, and what came true."""
