"""Real database servers on loopback, started by the tests, and what stands between us and them."""
