"""The browser's face: one application of a page, a stream and files, and the server that runs it."""
