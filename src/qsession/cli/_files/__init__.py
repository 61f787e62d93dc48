"""What the commands on cassettes have in common: opening them, and reading what is in them."""
