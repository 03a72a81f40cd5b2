"""Data sets, one file each: the file's name is the set's, adding a file adds a set."""
