"""The commands of gradprobe, one a file (a group for what reads or writes tables): parse, call, print."""
