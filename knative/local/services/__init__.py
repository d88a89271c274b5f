"""Private servers of one machine: their own folders and free ports, nothing else on the machine is touched.

`install.sh` installs what is missing; every module starts one of them.
"""
