"""The audit of our own registration: what this program is granted, and whether reviews can reach it."""
