"""What Matchcast does, one use case a module. They take ports and instants, and do no I/O of their own."""
