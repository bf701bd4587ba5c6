"""How the system is run: natively and with docker compose."""
