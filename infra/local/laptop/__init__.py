"""The whole stack on one machine: the emulated clouds, a warehouse, and the very template, binaries and job that ops deploy."""
