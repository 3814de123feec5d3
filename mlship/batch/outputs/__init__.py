"""Where scored chunks go: a file, a folder of parts, a pipe, an object store; whole or not at all, and resumable."""
