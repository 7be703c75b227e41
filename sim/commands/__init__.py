"""The command line: options, one function per command, and the tables they print."""
