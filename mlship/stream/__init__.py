"""Scoring a topic of Apache Kafka: what comes is scored in micro-batches, and each record counts exactly once."""
