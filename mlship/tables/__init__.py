"""Tables: bytes become columns and columns bytes, one file a format. The only owner of Polars."""
