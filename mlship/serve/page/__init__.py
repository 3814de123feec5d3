"""The page for people: what a model is, a form and a file to try it with, and live charts."""

BEHIND = "/page/"
"""Where the page's own files are, and what it is told."""
