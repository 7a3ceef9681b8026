"""Proves that rows are loaded exactly once: breaks the load at a chosen statement, and compares the table with an independent truth.

proxy     a Postgres wire proxy that loses, fails, holds or rewrites chosen statements
model     what the table and the books must hold, and how they differ from it
sources   small source versions, whose truth is known by construction
warehouse the actual table and books
"""
