"""Role server."""
