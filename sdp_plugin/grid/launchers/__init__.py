"""Where workers run: in this process, in processes of this machine, or on the machines of a Ray cluster.

Whatever the engine, the workers agree through the files of the work directory alone, as
:mod:`sdp_plugin.grid.leases` describes, so engines may be mixed, and another may go on where one stopped.
"""
