"""Random operations against relais while everything around it breaks, and what must hold when it stops: see README.md."""
