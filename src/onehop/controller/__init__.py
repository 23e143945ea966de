"""The controller: the API over the store, and the stream that gives each host its share."""
