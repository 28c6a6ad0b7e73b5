"""In: from a message on the stream to its acknowledgement."""
