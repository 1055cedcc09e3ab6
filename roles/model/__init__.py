"""Role model."""
