"""JSON: the reader, the writer, numbers."""
