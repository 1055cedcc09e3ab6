"""Role `vulkan`: loader, Mesa's driver, and nothing in their way."""
