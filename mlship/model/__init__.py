"""The contract: what a model takes and gives, the artifact that carries it, the session that runs it."""
