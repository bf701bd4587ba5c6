"""One folder per read model: its document, its pure projection, its indexes and its queries."""
