"""Pictures as inline SVG: no scripts, nothing fetched, in the colours of the page, and told in words too."""
