"""The canary: pods, by server-side dry run, of which two must be refused by us and one must not be touched."""
