"""The forms in which clients ask: one file a protocol, one row each in `serve.table`."""
