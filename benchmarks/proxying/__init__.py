"""What overhead.py is made of: a model server, a load, bare pass-throughs, and peers."""
