"""The version of the package, in a module of its own: files and pickles name it."""

__version__ = "0.1.0"
