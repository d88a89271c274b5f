"""Football as plain values: matches, outcomes, competitions, names, odds. Standard library only."""
