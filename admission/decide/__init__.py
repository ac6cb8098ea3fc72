"""The decision: one pure function from what is asked, who asks and what is in force to one verdict.

Every check runs; nothing here reads a clock, a file or the network.
"""
