"""Files that are made on the box by tools of the runtime, from inputs that are known by their hashes."""
