"""Where models go: the adapters that run on platforms which bring their own server."""
