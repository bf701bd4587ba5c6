"""The native stack: real servers and our services as plain processes of the user, in one folder, on loopback ports.

Standard library only: it runs with the system's Python before the project's virtual environment exists. The one
exception is `mongodb_admin`, which runs inside that environment.
"""
