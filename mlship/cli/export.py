"""`mlship export`."""
def export() -> None:
    """Export."""
