"""What people call from Python, and what the command calls."""
