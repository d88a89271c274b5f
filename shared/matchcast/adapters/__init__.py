"""What talks to the world outside: databases, files, services. One module per outside system."""
