"""What a server's compute buffers take: llama.cpp's graphs, and the way ggml lays them out in memory."""
