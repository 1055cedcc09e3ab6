"""Many hosts: parallel work, partial failure as a value."""
