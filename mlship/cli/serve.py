"""`mlship serve`."""
def serve() -> None:
    """Serve."""
