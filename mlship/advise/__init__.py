"""Batch or real time: a model is measured on this machine, and what fits a user's needs is told from the figures."""
