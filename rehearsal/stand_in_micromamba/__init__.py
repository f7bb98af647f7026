"""A stand-in for the program micromamba, over py-rattler: what its --version says, and no more than our roles use.

Solving, linking and everything in conda-meta is py-rattler's, which is real conda machinery; the command line, the
order of the steps and the words of failures are like libmamba's. It is packed into one file by conda_program.
"""
