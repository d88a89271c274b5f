"""Everything on one machine: private servers, and the functions on them.

kept    what stays between two runs: ports, passwords, and whether it runs
system  the parts, started in the order of need, watched and ended
"""
