"""Cryptography in the language, for programs and for the first stage. What runs on the host uses a library."""
