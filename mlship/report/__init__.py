"""Reports of what a command did, as JSON and as one self-contained HTML file."""
