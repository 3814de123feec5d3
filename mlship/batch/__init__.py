"""Batch: files become scored files, chunk by chunk, whole or not at all."""
