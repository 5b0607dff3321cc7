"""Helpers for the tests of applications: `worker.start_worker`. See `millrace.testing` for a clock of your own."""
