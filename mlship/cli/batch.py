"""`mlship batch`."""
def batch() -> None:
    """Batch."""
