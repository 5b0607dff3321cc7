"""How a worker runs its jobs: in processes, threads, one event loop, or just here."""
