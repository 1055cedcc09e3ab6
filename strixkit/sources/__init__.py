"""Headers of GGUF files, wherever the files lie: here, at a URL, on a box. The weights are never read."""
