"""Tests of the compiler of models."""
