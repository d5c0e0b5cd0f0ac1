"""Cut the text of a document into chunks of tokens, at characters of its own."""
